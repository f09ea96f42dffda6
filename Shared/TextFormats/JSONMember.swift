/// The names that an object may have, as an enum, so that the compiler checks that a decoder
/// handles each of them.
///
/// ```swift
/// enum Member: String, JSONMember {
///     case source, destination, amount
///     case occurredAt = "occurred_at"
///     static let table = JSONMemberTable<Self>(required: [.source, .destination, .amount])
/// }
/// ```
package protocol JSONMember: RawRepresentable<String>, CaseIterable, Sendable {
    /// Built once a type: a stored `static let`.
    static var table: JSONMemberTable<Self> { get }
}

/// The members of one kind of object, laid out so that a name read from a document is found without
/// making a string.
///
/// **Implementation.** A name is compared by its length and its first eight bytes as one word; only
/// longer names need a loop. The search begins behind the member found last, because most clients
/// send members in the documented order.
package struct JSONMemberTable<Member: JSONMember>: Sendable {
    @usableFromInline let members: [Member]
    @usableFromInline let names: JSONNames

    /// - Parameter required: members without which the object is refused.
    package init(required: [Member] = []) {
        members = Array(Member.allCases)
        names = JSONNames(members.map(\.rawValue), required: required.map(\.rawValue))
    }
}

/// The part of a ``JSONMemberTable`` that does not depend on the type of the members.
@usableFromInline
package final class JSONNames: Sendable {
    private struct Name {
        var word: UInt64
        var count: Int
        var text: String
        var bytes: [UInt8]
    }

    private let names: [Name]
    /// One bit a member, by its index.
    let required: UInt64

    init(_ names: [String], required: [String]) {
        precondition(names.count <= 64, "an object has at most 64 members, not \(names.count)")
        precondition(Set(names).count == names.count, "two members have the same name")
        self.names = names.map { text in
            let bytes = Array(text.utf8)
            return Name(word: Self.word(bytes), count: bytes.count, text: text, bytes: bytes)
        }
        self.required = required.reduce(0) { $0 | 1 << UInt64(names.firstIndex(of: $1)!) }
    }

    /// For people.
    var list: String { names.map(\.text).joined(separator: ", ") }

    subscript(index: Int) -> String { names[index].text }

    /// The index of the member with this name, or -1.
    func index(of name: UnsafeBufferPointer<UInt8>, word: UInt64, expected: Int) -> Int {
        names.withUnsafeBufferPointer { names in
            var index = expected < names.count ? expected : 0
            for _ in 0..<names.count {
                if names[index].word == word, names[index].count == name.count,
                    name.count <= 8 || Self.sameTail(names[index].bytes, name)
                {
                    return index
                }
                index = index + 1 < names.count ? index + 1 : 0
            }
            return -1
        }
    }

    private static func sameTail(_ left: [UInt8], _ right: UnsafeBufferPointer<UInt8>) -> Bool {
        for index in 8..<right.count where left[index] != right[index] { return false }
        return true
    }

    /// The first eight bytes, the first one lowest, zeros behind a shorter name.
    static func word(_ bytes: some Sequence<UInt8>) -> UInt64 {
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for byte in bytes.prefix(8) {
            word |= UInt64(byte) << shift
            shift += 8
        }
        return word
    }
}
