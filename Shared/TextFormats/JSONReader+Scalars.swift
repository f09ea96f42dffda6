// MARK: Integers

extension JSONReader {
    /// An integer: a number without fraction or exponent that fits in 64 bits.
    package mutating func integer() throws(JSONError) -> Int64 {
        skipWhitespace()
        valueStart = position
        guard position < bytes.count, Self.beginsNumber(bytes[position]) else {
            throw mismatch("an integer")
        }
        return try scanInteger()
    }

    /// An integer, or a string that holds one: amounts beyond 2^53 come as strings from clients
    /// whose numbers are floating-point. In a string it must be written as a number would be:
    /// `"1250"`, not `" 1250"` nor `"01250"`.
    ///
    /// - Parameter beyond: what is said of a number that does not fit in 64 bits.
    package mutating func integerOrText(
        beyond: String = JSONReader.beyondInteger
    ) throws(JSONError) -> Int64 {
        skipWhitespace()
        valueStart = position
        guard position < bytes.count else { throw mismatch("an integer") }
        if Self.beginsNumber(bytes[position]) { return try scanInteger(beyond: beyond) }
        guard bytes[position] == UInt8(ascii: "\"") else {
            throw mismatch("an integer, or a string that holds one")
        }
        let start = valueStart
        let text = try scanString()
        guard !text.hasEscapes, let value = try integer(inText: text.range, beyond) else {
            throw invalid(
                "must be an integer, or a string that holds one, as in \"1250\"", at: start)
        }
        return value
    }

    /// An integer of at least `range.lowerBound` and at most `range.upperBound`.
    package mutating func integer(in range: ClosedRange<Int64>) throws(JSONError) -> Int64 {
        let value = try integer()
        guard range.contains(value) else {
            throw refusal("must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    @inline(__always)
    private static func beginsNumber(_ byte: UInt8) -> Bool {
        byte &- UInt8(ascii: "0") < 10 || byte == UInt8(ascii: "-")
    }

    package static let beyondInteger = "must be from -2^63 to 2^63 - 1"

    private mutating func scanInteger(
        beyond: String = JSONReader.beyondInteger
    ) throws(JSONError) -> Int64 {
        let isNegative = bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let first = position
        var magnitude: UInt64 = 0
        while position < bytes.count, bytes[position] &- UInt8(ascii: "0") < 10 {
            magnitude = magnitude &* 10 &+ UInt64(bytes[position] &- UInt8(ascii: "0"))
            position += 1
        }
        let digits = position - first
        guard digits > 0 else { throw malformed("a digit is expected behind a minus sign") }
        if digits > 1, bytes[first] == UInt8(ascii: "0") {
            throw malformed(
                "a number may not begin with a zero that another digit follows", at: first)
        }
        if position < bytes.count, Self.continuesNumber(bytes[position]) {
            throw invalid("must be an integer, without fraction or exponent", at: valueStart)
        }
        // 19 digits always fit in UInt64: 10^19 - 1 < 2^64.
        guard digits <= 19, let value = Self.integer(magnitude, isNegative: isNegative) else {
            throw invalid(beyond, at: valueStart)
        }
        return value
    }

    private static func continuesNumber(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E")
    }

    private static func integer(_ magnitude: UInt64, isNegative: Bool) -> Int64? {
        if isNegative {
            return magnitude <= Int64.min.magnitude
                ? Int64(truncatingIfNeeded: 0 &- magnitude) : nil
        }
        return Int64(exactly: magnitude)
    }

    /// Nil if the text is not an integer as JSON writes it.
    private mutating func integer(
        inText range: Range<Int>, _ beyond: String
    ) throws(JSONError) -> Int64? {
        let isNegative = bytes[range].first == UInt8(ascii: "-")
        let digits = bytes[range].dropFirst(isNegative ? 1 : 0)
        guard !digits.isEmpty, digits.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else {
            return nil
        }
        guard digits.count == 1 || digits.first != UInt8(ascii: "0") else { return nil }
        var magnitude: UInt64 = 0
        for digit in digits.prefix(20) {
            magnitude = magnitude &* 10 &+ UInt64(digit &- UInt8(ascii: "0"))
        }
        guard digits.count <= 19, let value = Self.integer(magnitude, isNegative: isNegative) else {
            throw invalid(beyond, at: valueStart)
        }
        return value
    }
}

// MARK: Other scalars

extension JSONReader {
    package mutating func boolean() throws(JSONError) -> Bool {
        guard try kind() == .boolean else {
            valueStart = position
            throw mismatch("true or false")
        }
        valueStart = position
        let value = bytes[position] == UInt8(ascii: "t")
        try literal(value ? "true" : "false")
        return value
    }

    /// Passes a null, if that is what comes next.
    package mutating func null() throws(JSONError) -> Bool {
        skipWhitespace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "n") else { return false }
        valueStart = position
        try literal("null")
        return true
    }

    /// A number of any form, as the nearest floating-point value. Never use it for money.
    package mutating func double() throws(JSONError) -> Double {
        skipWhitespace()
        valueStart = position
        guard position < bytes.count, Self.beginsNumber(bytes[position]) else {
            throw mismatch("a number")
        }
        try skipNumber()
        guard let value = Double(String(decoding: bytes[valueStart..<position], as: UTF8.self)),
            value.isFinite
        else {
            throw invalid("must fit in a 64-bit floating-point number", at: valueStart)
        }
        return value
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        let start = position
        for index in 0..<text.utf8CodeUnitCount {
            guard position < bytes.count, bytes[position] == text.utf8Start[index] else {
                throw malformed("expected \(text)", at: start)
            }
            position += 1
        }
    }
}

// MARK: Passing values unread

extension JSONReader {
    /// Passes the next value, whatever it is, having checked that it is well-formed.
    package mutating func skip() throws(JSONError) {
        try skip(refusingDuplicates: true)
    }

    /// Recursive; the depth is bounded by `depthMax`.
    mutating func skip(refusingDuplicates: Bool) throws(JSONError) {
        switch try kind() {
        case .object: try skipObject(refusingDuplicates: refusingDuplicates)
        case .array:
            var elements = try array()
            while try next(&elements) { try skip(refusingDuplicates: refusingDuplicates) }
        case .string: _ = try scanString()
        case .number: try skipNumber()
        case .boolean: _ = try boolean()
        case .null: _ = try null()
        }
    }

    private mutating func skipObject(refusingDuplicates: Bool) throws(JSONError) {
        var state = try beginObject()
        var names: Set<String> = []
        while try nextName(isFirst: &state.isFirst) {
            let start = position
            let text = try scanString()
            if refusingDuplicates, !names.insert(makeString(text)).inserted {
                throw invalid("is given twice", at: start)
            }
            try colon()
            try skip(refusingDuplicates: refusingDuplicates)
        }
    }

    private mutating func skipNumber() throws(JSONError) {
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let first = position
        try digits("a digit is expected behind a minus sign")
        if position - first > 1, bytes[first] == UInt8(ascii: "0") {
            throw malformed(
                "a number may not begin with a zero that another digit follows", at: first)
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            try digits("a digit is expected behind a decimal point")
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count,
                bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")
            {
                position += 1
            }
            try digits("a digit is expected in an exponent")
        }
    }

    private mutating func digits(_ message: String) throws(JSONError) {
        let first = position
        while position < bytes.count, bytes[position] &- UInt8(ascii: "0") < 10 { position += 1 }
        guard position > first else { throw malformed(message) }
    }
}
