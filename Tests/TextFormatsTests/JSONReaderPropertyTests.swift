import Foundation
import Testing
import TextFormats

/// A whole document, for comparison.
indirect enum Tree: Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([Tree])
    case object([String: Tree])

    init(json: inout JSONReader) throws(JSONError) {
        switch try json.kind() {
        case .null:
            _ = try json.null()
            self = .null
        case .boolean: self = .boolean(try json.boolean())
        case .number: self = .number(try json.double())
        case .string: self = .string(try json.string())
        case .array:
            var items: [Tree] = []
            var elements = try json.array()
            while try json.next(&elements) { items.append(try Tree(json: &json)) }
            self = .array(items)
        case .object:
            var items: [String: Tree] = [:]
            var members = try json.object(countMax: .max)
            while let name = try json.next(&members) { items[name] = try Tree(json: &json) }
            self = .object(items)
        }
    }

    init(reference: Any) {
        switch reference {
        case is NSNull: self = .null
        case let string as String: self = .string(string)
        case let array as [Any]: self = .array(array.map(Tree.init(reference:)))
        case let object as [String: Any]: self = .object(object.mapValues(Tree.init(reference:)))
        case let number as NSNumber:
            self =
                CFBooleanType.isBoolean(number)
                ? .boolean(number.boolValue) : .number(number.doubleValue)
        default: fatalError("\(type(of: reference))")
        }
    }

    private enum CFBooleanType {
        static func isBoolean(_ number: NSNumber) -> Bool {
            String(cString: number.objCType) == "c"
        }
    }

    /// Whether both say the same. Numbers may differ in their last digits: the reference rounds
    /// some large ones wrongly.
    func agrees(with reference: Tree) -> Bool {
        switch (self, reference) {
        case (.number(let left), .number(let right)):
            left == right || abs(left - right) <= 8 * max(left.ulp, right.ulp)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.agrees(with: $1) }
        case (.object(let left), .object(let right)):
            left.count == right.count
                && left.allSatisfy { name, value in
                    right[name].map { value.agrees(with: $0) } ?? false
                }
        default: self == reference
        }
    }
}

struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

private struct DocumentMaker {
    var random: SplitMix64

    mutating func document() -> String { space() + value(depth: 0) + space() }

    private mutating func pick(_ choices: [String]) -> String {
        choices.randomElement(using: &random)!
    }

    private mutating func space() -> String { pick(["", "", "", " ", "\n", "\t\r\n "]) }

    private mutating func value(depth: Int) -> String {
        switch Int.random(in: 0..<(depth < 5 ? 12 : 8), using: &random) {
        case 0: "null"
        case 1: pick(["true", "false"])
        case 2, 3, 4: number()
        case 5, 6, 7: string()
        case 8, 9:
            "[" + space()
                + (0..<Int.random(in: 0..<4, using: &random)).map { _ in value(depth: depth + 1) }
                .joined(separator: space() + "," + space()) + space() + "]"
        default:
            "{" + space()
                + (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                    string() + space() + ":" + space() + value(depth: depth + 1)
                }.joined(separator: "," + space()) + space() + "}"
        }
    }

    private mutating func number() -> String {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: String(Int64.random(in: .min ... .max, using: &random))
        case 1: String(Int.random(in: -20...20, using: &random))
        case 2: pick(["0", "-0", "1e5", "1E-7", "0.25", "-12.5e+3", "1.0", "123456789.125", "2e0"])
        default: String(Double(Int.random(in: -1000...1000, using: &random)) / 8)
        }
    }

    private mutating func string() -> String {
        let parts = (0..<Int.random(in: 0..<5, using: &random)).map { _ in
            pick([
                "a", "amount", "é", "漢字", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9",
                "\\ud83d\\ude00",
                "\\u0000", "\u{7f}", "long enough for two words", "\u{2028}", "\\b\\f\\r\\t",
            ])
        }
        return "\"" + parts.joined() + "\""
    }

    /// A document with a few bytes changed, mostly into others that mean something.
    mutating func mutate(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0...bytes.count, using: &random)
            let byte =
                Bool.random(using: &random)
                ? Array("{}[]\",:\\u0123456789eE+-. \ntrfalsn".utf8).randomElement(using: &random)!
                : UInt8.random(in: 0...255, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes.insert(byte, at: index)
            case 1: if index < bytes.count { bytes[index] = byte }
            case 2: if index < bytes.count { bytes.remove(at: index) }
            default: bytes.removeLast(min(Int.random(in: 0...4, using: &random), bytes.count))
            }
        }
        return bytes
    }
}

@Suite struct JSONReaderPropertyTests {
    private func ours(_ bytes: [UInt8]) -> Result<Tree, JSONError> {
        do throws(JSONError) {
            return .success(
                try JSONReader.read(bytes, depthMax: 100) { (json) throws(JSONError) in
                    try Tree(json: &json)
                })
        } catch {
            return .failure(error)
        }
    }

    private func reference(_ bytes: [UInt8]) -> Tree? {
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)).map(
            Tree.init(reference:))
    }

    /// Where we refuse what Foundation takes, it must be for one of the reasons that `JSONReader`
    /// documents.
    private func isDocumentedStrictness(_ error: JSONError, _ bytes: [UInt8]) -> Bool {
        if error.message == "is given twice" { return true }
        // Foundation guesses UTF-16, UTF-32 and takes a byte order mark; it takes a NUL as the end
        // of the text.
        let hasMark =
            bytes.starts(with: [0xEF, 0xBB, 0xBF]) || bytes.starts(with: [0xFE, 0xFF])
            || bytes.starts(with: [0xFF, 0xFE])
        return hasMark || bytes.prefix(4).contains(0)
    }

    @Test(arguments: 0..<40 as Range<UInt64>)
    func `it accepts what JSONSerialization accepts, and yields the same values`(seed: UInt64) {
        var maker = DocumentMaker(random: SplitMix64(state: seed))
        var accepted = 0
        for round in 0..<500 {
            let text = maker.document()
            let bytes = round % 3 == 0 ? Array(text.utf8) : maker.mutate(text)
            let note: Comment =
                "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))"
            switch (ours(bytes), reference(bytes)) {
            case (.success(let tree), let reference?):
                #expect(tree.agrees(with: reference), note)
                accepted += 1
            case (.success, nil): Issue.record("\(note): taken, but JSONSerialization refuses it")
            case (.failure(let error), .some):
                #expect(isDocumentedStrictness(error, bytes), "\(note): \(error)")
            case (.failure(let error), nil):
                #expect(error.offset <= bytes.count, note)
            }
        }
        #expect(accepted >= 50, "seed \(seed): the generator makes too few good documents")
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `skipping accepts exactly what reading accepts`(seed: UInt64) {
        var maker = DocumentMaker(random: SplitMix64(state: seed &+ 1_000))
        for round in 0..<500 {
            let bytes = maker.mutate(maker.document())
            let skipped =
                (try? JSONReader.read(bytes, depthMax: 100) { (json) throws(JSONError) in
                    try json.skip()
                }) != nil
            // A number too large for floating point is passed, and only refused when it is asked
            // for as one.
            let read: Bool
            switch ours(bytes) {
            case .success: read = true
            case .failure(let error):
                read = error.message == "must fit in a 64-bit floating-point number"
            }
            #expect(
                skipped == read,
                "seed \(seed), round \(round): \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `random bytes are refused without harm`(seed: UInt64) {
        var random = SplitMix64(state: seed &+ 2_000)
        let alphabet = Array("{}[]\",:\\u0123456789eE+-. \ntrfalsn\u{e9}".utf8)
        for _ in 0..<2_000 {
            let count = Int.random(in: 0...64, using: &random)
            let bytes = (0..<count).map { _ in
                UInt8.random(in: 0...255, using: &random) % 4 == 0
                    ? UInt8.random(in: 0...255, using: &random)
                    : alphabet.randomElement(using: &random)!
            }
            let tree = ours(bytes)
            if case .failure(let error) = tree { #expect((0...bytes.count).contains(error.offset)) }
            #expect((try? tree.get()) == nil || reference(bytes) != nil, "seed \(seed): \(bytes)")
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `what the writer writes, the reader and JSONSerialization read back`(seed: UInt64) throws {
        var maker = DocumentMaker(random: SplitMix64(state: seed &+ 3_000))
        for round in 0..<200 {
            guard case .success(let tree) = ours(Array(maker.document().utf8)) else { continue }
            var json = JSONWriter(capacity: 1)
            write(tree, to: &json)
            let text = json.text
            #expect(
                try ours(Array(text.utf8)).get() == tree, "seed \(seed), round \(round): \(text)")
            let theirs = try #require(reference(Array(text.utf8)))
            #expect(tree.agrees(with: theirs), "seed \(seed), round \(round): \(text)")
        }
    }

    private func write(_ tree: Tree, to json: inout JSONWriter) {
        switch tree {
        case .null: json.null()
        case .boolean(let value): json.value(value)
        case .number(let value): json.value(value)
        case .string(let value): json.value(value)
        case .array(let items): json.array(of: items) { json, item in write(item, to: &json) }
        case .object(let items):
            json.object { json in
                for (name, value) in items {
                    json.name(name)
                    write(value, to: &json)
                }
            }
        }
    }
}
