import LedgerCore

/// The headers `traceparent` and `tracestate` of W3C Trace Context
/// (w3.org/TR/trace-context, level 1).
extension TraceContext {
    /// Reads what a request says of the trace that it belongs to.
    ///
    /// A `traceparent` that breaks a rule counts as none: the trace begins anew. A `tracestate` that
    /// does is left out alone.
    ///
    /// - Parameter tracestate: the values of all headers of that name, in their order.
    package init?(traceparent: String, tracestate: [String] = []) {
        var traceparent = traceparent
        guard let parent = traceparent.withUTF8({ TraceParent($0) }) else { return nil }
        self.init(
            traceID: parent.traceID, spanID: parent.spanID, flags: parent.flags,
            state: TraceState.text(tracestate))
    }

    /// As a `traceparent` header of version 00.
    package var traceparent: String {
        let flags = [self.flags & TraceContext.sampledFlag].hexadecimal
        return "00-\(traceID.hexadecimal)-\(spanID.hexadecimal)-\(flags)"
    }
}

/// Section 3.2: `version "-" trace-id "-" parent-id "-" trace-flags`, small hexadecimal digits.
private struct TraceParent {
    let traceID: [UInt8]
    let spanID: [UInt8]
    let flags: UInt8

    private static let length = 55

    init?(_ text: UnsafeBufferPointer<UInt8>) {
        let dash = UInt8(ascii: "-")
        guard text.count >= TraceParent.length,
            text[2] == dash, text[35] == dash, text[52] == dash,
            let version = TraceParent.byte(text, 0), version != 0xFF
        else { return nil }
        // A later version may have more behind, set off by a dash; ours has not (section 4.3).
        guard
            version == 0
                ? text.count == TraceParent.length
                : text.count == TraceParent.length || text[TraceParent.length] == dash
        else { return nil }
        guard let traceID = TraceParent.bytes(text, 3, 16),
            let spanID = TraceParent.bytes(text, 36, 8), let flags = TraceParent.byte(text, 53),
            TraceContext.areIDs(traceID, spanID)
        else { return nil }
        self.traceID = traceID
        self.spanID = spanID
        // Flags that are not known are not passed on (section 3.2.2.5).
        self.flags = flags & TraceContext.sampledFlag
    }

    private static func bytes(_ text: UnsafeBufferPointer<UInt8>, _ start: Int, _ count: Int)
        -> [UInt8]?
    {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for index in 0..<count {
            guard let byte = byte(text, start + 2 * index) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func byte(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> UInt8? {
        guard let high = digit(text[start]), let low = digit(text[start + 1]) else { return nil }
        return high << 4 | low
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

/// Section 3.3: up to 32 members `key=value`, the newest first.
private enum TraceState {
    private static let membersMax = 32
    private static let keyBytesMax = 256
    private static let valueBytesMax = 256
    /// Members longer than this go first where all together are too long (section 3.3.1.5).
    private static let longMember = 128

    /// All headers as one text, as it came; empty where it breaks a rule.
    static func text(_ headers: [String]) -> String {
        let text = headers.joined(separator: ",")
        guard !text.isEmpty else { return "" }
        let members = text.utf8.split(separator: UInt8(ascii: ",")).map(trimmed).filter {
            !$0.isEmpty
        }
        guard members.count <= membersMax else { return "" }
        var keys: Set<String> = []
        for member in members {
            guard let key = key(of: member), keys.insert(key).inserted else { return "" }
        }
        return text.utf8.count <= TraceContext.stateBytesMax ? text : shortened(members)
    }

    /// Whole members only: first the long ones are left out, then the oldest.
    private static func shortened(_ members: [Substring.UTF8View]) -> String {
        var kept = members
        func size() -> Int { kept.reduce(kept.count - 1) { $0 + $1.count } }
        while size() > TraceContext.stateBytesMax,
            let long = kept.lastIndex(where: { $0.count > longMember })
        {
            kept.remove(at: long)
        }
        while size() > TraceContext.stateBytesMax { kept.removeLast() }
        return kept.map { String(Substring($0)) }.joined(separator: ",")
    }

    private static func trimmed(_ member: Substring.UTF8View) -> Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
        var member = member.drop(while: isSpace)
        while let last = member.last, isSpace(last) { member.removeLast() }
        return member
    }

    /// The key of a member that is well formed (section 3.3.1.3).
    private static func key(of member: Substring.UTF8View) -> String? {
        guard let equals = member.firstIndex(of: UInt8(ascii: "=")) else { return nil }
        let key = member[..<equals]
        let value = member[member.index(after: equals)...]
        guard isKey(key), value.count <= valueBytesMax else { return nil }
        let isValue = value.allSatisfy {
            0x20...0x7E ~= $0 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=")
        }
        return isValue && !value.isEmpty ? String(Substring(key)) : nil
    }

    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        let parts = key.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard key.count <= keyBytesMax, let first = parts[0].first, parts.count <= 2 else {
            return false
        }
        let isLetterFirst = UInt8(ascii: "a")...UInt8(ascii: "z") ~= first
        guard parts.allSatisfy({ $0.allSatisfy(isKeyCharacter) }) else { return false }
        guard parts.count == 2 else { return isLetterFirst }
        guard let system = parts[1].first else { return false }
        return (isLetterFirst || UInt8(ascii: "0")...UInt8(ascii: "9") ~= first)
            && parts[0].count <= 241 && parts[1].count <= 14
            && UInt8(ascii: "a")...UInt8(ascii: "z") ~= system
    }

    private static func isKeyCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "*"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
