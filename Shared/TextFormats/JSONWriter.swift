/// Appends JSON to a buffer of its own.
///
/// ```swift
/// var json = JSONWriter()
/// json.object { json in
///     json.member("id", transaction.id)
///     json.member("amount", transaction.amount)
///     json.member("accepted_at", microseconds: transaction.acceptedAt)
///     json.name("postings")
///     json.array(of: transaction.postings) { json, posting in posting.write(to: &json) }
/// }
/// ```
///
/// Commas and quotes are the writer's. Integers beyond 2^53 are written as strings, because most
/// readers of JSON keep numbers in 64-bit floating point, and an amount must not change on its way.
///
/// **Invariants.** `count ≤ capacity`. The memory belongs to this value alone: it is not copyable,
/// and is freed with it.
package struct JSONWriter: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    package private(set) var count = 0
    /// Whether the next value follows another one, and so needs a comma.
    private var needsComma = false

    package init(capacity: Int = 512) {
        self.capacity = max(64, capacity)
        base = .allocate(byteCount: self.capacity, alignment: 1)
    }

    deinit { base.deallocate() }

    /// Lends what has been written so far.
    package borrowing func withBytes<Value, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try body(UnsafeRawBufferPointer(start: base, count: count).bytes)
    }

    /// A copy of what has been written so far, as text.
    package var text: String {
        String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
    }

    /// Forgets what has been written and keeps the memory, for the next document or the next line.
    package mutating func removeAll() {
        count = 0
        needsComma = false
    }

    /// Ends a line of NDJSON; the next value is a document of its own.
    package mutating func newline() {
        put(UInt8(ascii: "\n"))
        needsComma = false
    }
}

// MARK: Structure

extension JSONWriter {
    package mutating func object<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void)
        throws(Failure)
    {
        begin(UInt8(ascii: "{"))
        try body(&self)
        end(UInt8(ascii: "}"))
    }

    package mutating func array<Failure: Error>(_ body: (inout JSONWriter) throws(Failure) -> Void)
        throws(Failure)
    {
        begin(UInt8(ascii: "["))
        try body(&self)
        end(UInt8(ascii: "]"))
    }

    package mutating func array<Elements: Sequence>(
        of elements: Elements, _ body: (inout JSONWriter, Elements.Element) -> Void
    ) {
        begin(UInt8(ascii: "["))
        for element in elements { body(&self, element) }
        end(UInt8(ascii: "]"))
    }

    /// Begins a member whose name is ours: plain ASCII without quotes, backslashes and control
    /// characters. Its value must be written next.
    package mutating func name(_ name: StaticString) {
        let length = name.utf8CodeUnitCount
        reserve(length + 4)
        if needsComma { store(UInt8(ascii: ",")) }
        store(UInt8(ascii: "\""))
        (base + count).copyMemory(from: name.utf8Start, byteCount: length)
        count += length
        store(UInt8(ascii: "\""))
        store(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Begins a member whose name is a client's.
    package mutating func name(_ name: String) {
        value(name)
        put(UInt8(ascii: ":"))
        needsComma = false
    }

    private mutating func begin(_ bracket: UInt8) {
        comma()
        put(bracket)
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        put(bracket)
        needsComma = true
    }

    /// Before each value.
    @inline(__always)
    private mutating func comma() {
        if needsComma { put(UInt8(ascii: ",")) }
        needsComma = true
    }
}

// MARK: Values

extension JSONWriter {
    /// The largest integer that a 64-bit floating-point number holds together with all smaller
    /// ones.
    private static let safeIntegerMax: UInt64 = 1 << 53

    package mutating func value(_ integer: Int64) {
        comma()
        let isText = integer.magnitude > Self.safeIntegerMax
        reserve(24)
        if isText { store(UInt8(ascii: "\"")) }
        if integer < 0 { store(UInt8(ascii: "-")) }
        storeDigits(integer.magnitude, digitsMin: 1)
        if isText { store(UInt8(ascii: "\"")) }
    }

    package mutating func value(_ integer: Int) { value(Int64(integer)) }

    package mutating func value(_ integer: UInt64) { value(Int128(integer)) }

    package mutating func value(_ integer: Int128) {
        guard let small = Int64(exactly: integer) else { return largeValue(integer) }
        value(small)
    }

    private mutating func largeValue(_ integer: Int128) {
        comma()
        reserve(44)
        store(UInt8(ascii: "\""))
        if integer < 0 { store(UInt8(ascii: "-")) }
        // Three words of 18 decimal digits hold 54; 128 bits have 39.
        let word: UInt128 = 1_000_000_000_000_000_000
        let (upper, low) = integer.magnitude.quotientAndRemainder(dividingBy: word)
        let (high, middle) = upper.quotientAndRemainder(dividingBy: word)
        if high > 0 { storeDigits(UInt64(high), digitsMin: 1) }
        storeDigits(UInt64(middle), digitsMin: high > 0 ? 18 : 1)
        storeDigits(UInt64(low), digitsMin: 18)
        store(UInt8(ascii: "\""))
    }

    package mutating func value(_ boolean: Bool) { raw(boolean ? "true" : "false") }

    package mutating func null() { raw("null") }

    /// The shortest decimal that is this number; null for what JSON cannot write (infinite, not a
    /// number).
    package mutating func value(_ number: Double) {
        guard number.isFinite else { return null() }
        comma()
        append(utf8: "\(number)")
    }

    /// A time, as ``RFC3339/text(microseconds:)``.
    package mutating func value(microseconds: Int64) {
        guard RFC3339.microsecondsRange.contains(microseconds) else {
            return value(RFC3339.text(microseconds: microseconds))
        }
        comma()
        reserve(RFC3339.count + 2)
        store(UInt8(ascii: "\""))
        RFC3339.write(
            microseconds: microseconds,
            to: UnsafeMutableRawBufferPointer(start: base + count, count: RFC3339.count))
        count += RFC3339.count
        store(UInt8(ascii: "\""))
    }

    package mutating func value(_ string: String) {
        comma()
        var string = string
        string.withUTF8 { quote($0) }
    }

    package mutating func value(_ string: Substring) {
        comma()
        var string = string
        string.withUTF8 { quote($0) }
    }

    package mutating func value(_ string: StaticString) {
        comma()
        string.withUTF8Buffer { quote($0) }
    }

    /// A value that is JSON already. The caller vouches for it.
    package mutating func value(json: RawSpan) {
        comma()
        json.withUnsafeBytes { append($0) }
    }

    private mutating func raw(_ literal: StaticString) {
        comma()
        literal.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }
}

// MARK: Members

extension JSONWriter {
    package mutating func member(_ name: StaticString, _ value: String) {
        self.name(name)
        self.value(value)
    }

    /// A member that is left out where there is no value.
    package mutating func member(_ name: StaticString, ifPresent value: String?) {
        if let value { member(name, value) }
    }

    package mutating func member(_ name: StaticString, _ value: Int64) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Int) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: UInt64) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Int128) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Double) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        self.value(value)
    }

    /// A time, in microseconds since 1970.
    package mutating func member(_ name: StaticString, microseconds: Int64) {
        self.name(name)
        value(microseconds: microseconds)
    }
}

// MARK: Bytes

extension JSONWriter {
    private mutating func quote(_ text: UnsafeBufferPointer<UInt8>) {
        reserve(text.count + 2)
        store(UInt8(ascii: "\""))
        var position = 0
        while true {
            let end = JSONBytes.endOfPlain(text, from: position)
            append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[position..<end]))
            guard end < text.count else { break }
            escape(text[end])
            position = end + 1
        }
        put(UInt8(ascii: "\""))
    }

    /// Only what RFC 8259 §7 asks to be escaped is; a byte of a scalar beyond ASCII passes as it
    /// is.
    private mutating func escape(_ byte: UInt8) {
        reserve(6)
        switch byte {
        case 0x80...: store(byte)
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            store(UInt8(ascii: "\\"))
            store(byte)
        case 0x0A: raw(escape: "n")
        case 0x0D: raw(escape: "r")
        case 0x09: raw(escape: "t")
        default:
            raw(escape: "u")
            store(UInt8(ascii: "0"))
            store(UInt8(ascii: "0"))
            storeHex(byte >> 4)
            storeHex(byte & 15)
        }
    }

    private mutating func raw(escape: Unicode.Scalar) {
        store(UInt8(ascii: "\\"))
        store(UInt8(ascii: escape))
    }

    private mutating func storeHex(_ digit: UInt8) {
        store(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }

    /// At most 20 digits, for which there must be room.
    private mutating func storeDigits(_ value: UInt64, digitsMin: Int) {
        var digits = digitsMin
        var power: UInt64 = 1
        for _ in 0..<digitsMin { power = power &* 10 }
        while digits < 20, value >= power {
            digits += 1
            power = power &* 10
        }
        var rest = value
        var index = count + digits
        count = index
        for _ in 0..<digits {
            index -= 1
            base.storeBytes(
                of: UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: index,
                as: UInt8.self)
            rest /= 10
        }
    }

    private mutating func append(utf8 text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    private mutating func put(_ byte: UInt8) {
        reserve(1)
        store(byte)
    }

    /// Without a check: the caller has reserved the room.
    @inline(__always)
    private mutating func store(_ byte: UInt8) {
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    private mutating func reserve(_ additional: Int) {
        if count + additional > capacity { grow(additional) }
    }

    private mutating func grow(_ additional: Int) {
        let larger = max(capacity * 2, count + additional)
        let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 1)
        new.copyMemory(from: base, byteCount: count)
        base.deallocate()
        base = new
        capacity = larger
    }
}
