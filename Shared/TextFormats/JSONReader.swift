/// A pull reader of JSON (RFC 8259): the decoder asks for what it expects next, and gets it or an
/// error that says where.
///
/// **Overview.** No tree is built and nothing is kept: a batch of a thousand transactions is read
/// in one pass.
///
/// ```swift
/// extension Posting: JSONReadable {
///     enum Member: String, JSONMember {
///         case source, destination, amount
///         static let table = JSONMemberTable<Self>(required: [.source, .destination, .amount])
///     }
///
///     init(json: inout JSONReader) throws(JSONError) {
///         var source = "", destination = "", amount: Int64 = 0
///         var members = try json.object(of: Member.self)
///         while let member = try json.next(&members) {
///             switch member {
///             case .source: source = try json.string(bytesMax: 256)
///             case .destination: destination = try json.string(bytesMax: 256)
///             case .amount:
///                 amount = try json.integerOrText()
///                 guard amount > 0 else { throw json.refusal("must be more than 0") }
///             }
///         }
///         self.init(source: source, destination: destination, amount: amount)
///     }
/// }
/// let posting = try JSONReader.read(Posting.self, from: bytes)
/// ```
///
/// **Function.** After each `next` that is not the end, read exactly one value. An unknown member,
/// a member given twice and the absence of a required one are refused by the reader itself.
///
/// **Stricter than RFC 8259 asks, as it allows:** no byte order mark (§8.1); UTF-8 only; a name
/// once in an object (§4); no lone surrogates (§8.2); depth bounded (§9). A NUL may stand in a
/// string only escaped, like every control character.
///
/// **Invariants.** `position ≤ count`; every byte before `position` has been checked. It never
/// reads outside the bytes that it was given, and it cannot outlive them: it is not copyable, and
/// is only lent to the closure of ``read(_:depthMax:_:)``.
package struct JSONReader: ~Copyable {
    /// Deeper nesting is refused: no request of ours needs more than five levels.
    package static let depthMaxDefault = 32

    let bytes: UnsafeBufferPointer<UInt8>
    let depthMax: Int
    var position = 0
    var depth = 0
    /// Where the value that was read last begins.
    var valueStart = 0
    /// Holds a string without its escapes, where it had any.
    var scratch: [UInt8] = []
    private var pathFinder = JSONPathFinder()

    private init(_ bytes: UnsafeBufferPointer<UInt8>, depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    /// Reads one document: one value, with nothing but white space around it.
    ///
    /// - Throws: the first error that `body` meets. An `invalidField` is only thrown once all of
    ///   the document is known to be well-formed; otherwise `malformed`, with the place where it
    ///   is.
    package static func read<Value>(
        _ bytes: RawSpan, depthMax: Int = depthMaxDefault,
        _ body: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        try bytes.withUnsafeBytes { (raw) throws(JSONError) -> Value in
            var reader = JSONReader(raw.assumingMemoryBound(to: UInt8.self), depthMax: depthMax)
            do throws(JSONError) {
                let value = try body(&reader)
                try reader.finish()
                return value
            } catch {
                guard error.kind == .invalidField else { throw error }
                var check = JSONReader(raw.assumingMemoryBound(to: UInt8.self), depthMax: depthMax)
                try check.skip(refusingDuplicates: false)
                try check.finish()
                throw error
            }
        }
    }

    package static func read<Value>(
        _ bytes: [UInt8], depthMax: Int = depthMaxDefault,
        _ body: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Value {
        try read(bytes.span.bytes, depthMax: depthMax, body)
    }

    package static func read<Value: JSONReadable>(_: Value.Type, from bytes: RawSpan)
        throws(JSONError) -> Value
    {
        try read(bytes) { (reader) throws(JSONError) in try Value(json: &reader) }
    }

    package static func read<Value: JSONReadable>(_: Value.Type, from bytes: [UInt8])
        throws(JSONError) -> Value
    {
        try read(Value.self, from: bytes.span.bytes)
    }

    private mutating func finish() throws(JSONError) {
        skipWhitespace()
        guard position == bytes.count else {
            throw malformed("there is more text behind the end of the document")
        }
    }
}

/// What can be made from a JSON value.
package protocol JSONReadable {
    init(json: inout JSONReader) throws(JSONError)
}

// MARK: What comes next

extension JSONReader {
    package enum ValueKind: String, Sendable {
        case object = "an object"
        case array = "an array"
        case string = "a string"
        case number = "a number"
        case boolean = "a boolean"
        case null = "null"
    }

    /// The kind of the value that comes next, which is not read.
    package mutating func kind() throws(JSONError) -> ValueKind {
        skipWhitespace()
        guard position < bytes.count else {
            throw malformed("the text ends where a value is expected")
        }
        switch bytes[position] {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        default: throw malformed("a value is expected here")
        }
    }

    @inline(__always)
    mutating func skipWhitespace() {
        while position < bytes.count, bytes[position] <= 0x20, Self.isWhitespace(bytes[position]) {
            position += 1
        }
    }

    @inline(__always)
    private static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    /// Goes to the next value and checks its first byte.
    @inline(__always)
    mutating func begin(_ first: UInt8, _ expected: StaticString) throws(JSONError) {
        skipWhitespace()
        valueStart = position
        guard position < bytes.count, bytes[position] == first else { throw mismatch(expected) }
    }
}

// MARK: Errors

extension JSONReader {
    /// Where a value begins, kept so that it can be refused after others have been read.
    package struct Place: Equatable, Sendable {
        let offset: Int
    }

    /// Where the value that was read last begins.
    package var place: Place { Place(offset: valueStart) }

    /// A refusal of the value that was read last. The message is a predicate: `must be more than
    /// 0`.
    package mutating func refusal(_ message: String) -> JSONError {
        invalid(message, at: valueStart)
    }

    package mutating func refusal(_ message: String, at place: Place) -> JSONError {
        invalid(message, at: place.offset)
    }

    mutating func invalid(_ message: String, at offset: Int, member: String? = nil) -> JSONError {
        var path = pathFinder.path(to: offset, in: bytes)
        if let member { JSONPathFinder.append(member: member, to: &path) }
        return JSONError(kind: .invalidField, offset: offset, path: path, message: message)
    }

    mutating func malformed(_ message: String, at offset: Int? = nil) -> JSONError {
        let offset = offset ?? position
        let path = pathFinder.path(to: offset, in: bytes)
        return JSONError(kind: .malformed, offset: offset, path: path, message: message)
    }

    mutating func mismatch(_ expected: StaticString) -> JSONError {
        do throws(JSONError) {
            return invalid("must be \(expected), not \(try kind().rawValue)", at: position)
        } catch {
            return error
        }
    }
}
