import LedgerCore

/// The trace contexts of a message, behind its fields: whoever takes part in a trace passes it on
/// inside the payload, because no broker does.
///
/// They say nothing about the ledger: what is wrong with them counts as none, and the message
/// counts.
enum TraceExtension {
    static let tag: UInt64 = 1
    /// An acknowledgement's, one for each message; what a message needs at most is small.
    static let contextsMax = 16
    static let contextByteCount = 16 + 8 + 1

    /// What the list of extensions takes with one context in it: the list's length, the tag, its
    /// length, and the context.
    static let oneByteCount = 1 + 1 + 1 + contextByteCount

    /// The list of extensions: this one, or none. What is beyond the limit is left out.
    static func encode(_ contexts: [TraceContext], into writer: inout ByteWriter) {
        let contexts = contexts.prefix(contextsMax)
        guard !contexts.isEmpty else { return writer.varint(0) }
        writer.varint(1)
        writer.varint(tag)
        writer.varint(UInt64(contexts.count * contextByteCount))
        for context in contexts {
            writer.raw(context.traceID)
            writer.raw(context.spanID)
            writer.u8(context.flags)
        }
    }

    static func contexts(_ bytes: UnsafeRawBufferPointer) -> [TraceContext] {
        let count = bytes.count / contextByteCount
        guard bytes.count % contextByteCount == 0, count <= contextsMax else { return [] }
        var contexts: [TraceContext] = []
        for start in stride(from: 0, to: bytes.count, by: contextByteCount) {
            let traceID = Array(bytes[start..<start + 16])
            let spanID = Array(bytes[start + 16..<start + 24])
            guard TraceContext.areIDs(traceID, spanID) else { return [] }
            contexts.append(
                TraceContext(traceID: traceID, spanID: spanID, flags: bytes[start + 24]))
        }
        return contexts
    }
}

extension ByteReader {
    /// A message's extensions: this one, and past those that are not known.
    mutating func traces() throws(WireError) -> [TraceContext] {
        var found: [TraceContext] = []
        try extensions { tag, bytes in
            if tag == TraceExtension.tag { found = TraceExtension.contexts(bytes) }
        }
        return found
    }
}
