/// An object that is being read, whose members are those of `Member`.
package struct JSONObject<Member: JSONMember> {
    @usableFromInline let table: JSONMemberTable<Member>
    @usableFromInline var state: JSONObjectState

    @inlinable
    init(table: JSONMemberTable<Member>, state: JSONObjectState) {
        self.table = table
        self.state = state
    }

    /// Where the object begins.
    package var place: JSONReader.Place { state.place }
}

@usableFromInline
package struct JSONObjectState {
    let place: JSONReader.Place
    /// One bit for each member that has come.
    var seen: UInt64 = 0
    var expected = 0
    var isFirst = true
}

/// An object that is being read, with any names.
package struct JSONNamedMembers {
    package let place: JSONReader.Place
    var names: [String] = []
    var isFirst = true
}

/// An array that is being read.
package struct JSONElements {
    package let place: JSONReader.Place
    let countMax: Int
    /// The index of the element that `next` went to, from 0; -1 before the first one.
    package internal(set) var index = -1
}

// MARK: Objects with known members

extension JSONReader {
    /// Begins to read an object.
    @inlinable
    package mutating func object<Member: JSONMember>(of _: Member.Type) throws(JSONError)
        -> JSONObject<Member>
    {
        JSONObject(table: Member.table, state: try beginObject())
    }

    /// Goes to the next member, whose value must be read next. Nil at the end of the object.
    @inlinable
    package mutating func next<Member: JSONMember>(_ object: inout JSONObject<Member>)
        throws(JSONError) -> Member?
    {
        let index = try nextMember(&object.state, object.table.names)
        return index < 0 ? nil : object.table.members[index]
    }

    @usableFromInline
    mutating func beginObject() throws(JSONError) -> JSONObjectState {
        try begin(UInt8(ascii: "{"), "an object")
        try descend()
        return JSONObjectState(place: Place(offset: position - 1))
    }

    /// The index of the next member, or -1 at the end of the object.
    @usableFromInline
    mutating func nextMember(_ state: inout JSONObjectState, _ names: JSONNames) throws(JSONError)
        -> Int
    {
        guard try nextName(isFirst: &state.isFirst) else {
            let missing = names.required & ~state.seen
            guard missing == 0 else {
                throw invalid(
                    "is required", at: state.place.offset,
                    member: names[missing.trailingZeroBitCount])
            }
            return -1
        }
        let start = position
        let index = try matchName(names, expected: state.expected)
        guard index >= 0 else {
            throw invalid("is not known here; known are \(names.list)", at: start)
        }
        guard state.seen & (1 << UInt64(index)) == 0 else {
            throw invalid("is given twice", at: start)
        }
        state.seen |= 1 << UInt64(index)
        state.expected = index + 1
        try colon()
        return index
    }

    private mutating func matchName(_ names: JSONNames, expected: Int) throws(JSONError) -> Int {
        let text = try scanString()
        guard text.hasEscapes else {
            let name = UnsafeBufferPointer(rebasing: bytes[text.range])
            return names.index(of: name, word: word(text.range), expected: expected)
        }
        unescape(text.range)
        return scratch.withUnsafeBufferPointer { name in
            names.index(of: name, word: JSONNames.word(name), expected: expected)
        }
    }

    /// The first eight bytes of a name, in one load where eight bytes are there to be loaded.
    @inline(__always)
    private func word(_ range: Range<Int>) -> UInt64 {
        guard range.lowerBound + 8 <= bytes.count else { return JSONNames.word(bytes[range]) }
        let word = UInt64(
            littleEndian: UnsafeRawBufferPointer(bytes).loadUnaligned(
                fromByteOffset: range.lowerBound, as: UInt64.self))
        return range.count >= 8 ? word : word & (1 << UInt64(range.count * 8) &- 1)
    }
}

// MARK: Objects with any names

extension JSONReader {
    /// Begins to read an object whose names are the client's, such as `metadata`.
    ///
    /// - Parameter countMax: with more members it is refused. Names are compared pairwise: keep it
    ///   small.
    package mutating func object(countMax: Int = 64) throws(JSONError) -> (
        members: JSONNamedMembers, countMax: Int
    ) {
        let state = try beginObject()
        return (JSONNamedMembers(place: state.place), countMax)
    }

    /// Goes to the next member, whose value must be read next. Nil at the end of the object.
    package mutating func next(_ object: inout (members: JSONNamedMembers, countMax: Int))
        throws(JSONError) -> String?
    {
        guard try nextName(isFirst: &object.members.isFirst) else { return nil }
        let start = position
        let name = makeString(try scanString())
        guard !object.members.names.contains(name) else {
            throw invalid("is given twice", at: start)
        }
        guard object.members.names.count < object.countMax else {
            throw invalid(
                "has more than \(object.countMax) members", at: object.members.place.offset)
        }
        object.members.names.append(name)
        try colon()
        return name
    }
}

// MARK: Arrays

extension JSONReader {
    /// Begins to read an array.
    ///
    /// - Parameter countMax: with more elements it is refused.
    package mutating func array(countMax: Int = .max) throws(JSONError) -> JSONElements {
        try begin(UInt8(ascii: "["), "an array")
        try descend()
        return JSONElements(place: Place(offset: position - 1), countMax: countMax)
    }

    /// Goes to the next element, which must be read next. False at the end of the array.
    package mutating func next(_ array: inout JSONElements) throws(JSONError) -> Bool {
        guard
            try nextItem(
                isFirst: array.index < 0, end: UInt8(ascii: "]"),
                "expected a comma or the end of the array")
        else { return false }
        array.index += 1
        guard array.index < array.countMax else {
            throw invalid("has more than \(array.countMax) elements", at: array.place.offset)
        }
        return true
    }

    /// Reads a value that may be refused without giving up the rest of the document, as one item of
    /// a batch.
    ///
    /// - Returns: what `body` made, or why it refused the value, which has then been passed.
    /// - Throws: `malformed` only: from there on nothing can be read.
    package mutating func recovering<Value>(
        _ body: (inout JSONReader) throws(JSONError) -> Value
    ) throws(JSONError) -> Result<Value, JSONError> {
        let start = position
        let startDepth = depth
        do throws(JSONError) {
            return .success(try body(&self))
        } catch {
            guard error.kind == .invalidField else { throw error }
            position = start
            depth = startDepth
            try skip(refusingDuplicates: false)
            return .failure(error)
        }
    }
}

// MARK: Punctuation

extension JSONReader {
    /// Passes the bracket that opens an object or array.
    mutating func descend() throws(JSONError) {
        guard depth < depthMax else {
            throw malformed("it is nested deeper than \(depthMax) levels")
        }
        depth += 1
        position += 1
    }

    /// Goes to the quote that opens the next name. False at the end of the object.
    @inline(__always)
    mutating func nextName(isFirst: inout Bool) throws(JSONError) -> Bool {
        let wasFirst = isFirst
        isFirst = false
        guard
            try nextItem(
                isFirst: wasFirst, end: UInt8(ascii: "}"),
                "expected a comma or the end of the object")
        else { return false }
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            throw malformed("the name of a member is expected here, in double quotes")
        }
        return true
    }

    /// Passes a comma, unless this is the first item, or the closing bracket.
    @inline(__always)
    mutating func nextItem(isFirst: Bool, end: UInt8, _ expected: StaticString) throws(JSONError)
        -> Bool
    {
        skipWhitespace()
        guard position < bytes.count else {
            throw malformed("the text ends inside an object or array")
        }
        if bytes[position] == end {
            position += 1
            depth -= 1
            return false
        }
        if isFirst { return true }
        guard bytes[position] == UInt8(ascii: ",") else { throw malformed("\(expected)") }
        position += 1
        skipWhitespace()
        guard position < bytes.count, bytes[position] != end else {
            throw malformed("nothing stands behind a comma")
        }
        return true
    }

    @inline(__always)
    mutating func colon() throws(JSONError) {
        skipWhitespace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else {
            throw malformed("a colon is expected behind the name of a member")
        }
        position += 1
    }
}
