import LedgerCore

/// A name that a stream numbers when it first uses it, so that events carry a small number instead.
package enum Definition: Hashable, Sendable {
    case account(AccountAddress)
    case asset(Asset)
    /// The scope of an idempotency key.
    case text(String)

    package static let textBytesMax = 255

    fileprivate var kind: UInt8 {
        switch self {
        case .account: 1
        case .asset: 2
        case .text: 3
        }
    }

    fileprivate var name: String {
        switch self {
        case .account(let account): account.description
        case .asset(let asset): asset.description
        case .text(let text): text
        }
    }

    func encode(into writer: inout ByteWriter) {
        writer.u8(kind)
        writer.text(name)
    }

    /// Where the definition that begins at `start` ends, or the end of the bytes where none does.
    fileprivate static func end(in encoded: [UInt8], from start: Int) -> Int {
        let end = try? ByteReader.decode(encoded, in: start..<encoded.count) {
            (reader) throws(WireError) in
            try reader.skip(1)
            try reader.skip(try reader.length("a definition", limit: textBytesMax))
            return reader.offset
        }
        return end ?? encoded.count
    }

    init(from reader: inout ByteReader) throws(WireError) {
        let kind = try reader.u8()
        let name = try reader.text("a definition", limit: Definition.textBytesMax)
        do throws(InvalidValue) {
            switch kind {
            case 1: self = .account(try AccountAddress(name))
            case 2: self = .asset(try Asset(name))
            case 3: self = .text(name)
            default: throw InvalidValue("definition kind \(kind)")
            }
        } catch {
            // Without the name: it is a client's, and errors are logged.
            throw reader.failure(.invalid(what: "a definition"))
        }
    }
}

/// How far a stream's dictionary has come: enough to tell whether two sides hold the same one.
package struct DictionaryState: Hashable, Sendable {
    package static let rollingByteCount = 16
    package static let empty = DictionaryState(
        count: 0, rolling: [UInt8](repeating: 0, count: rollingByteCount))

    package let count: UInt32
    /// `rolling(n) = SHA-256(domain ‖ rolling(n−1) ‖ the bytes of definition n)`, its first 16
    /// bytes: one step a definition, so that whoever is sent definitions without their segments can
    /// check them too.
    package let rolling: [UInt8]

    package init(count: UInt32, rolling: [UInt8]) {
        precondition(
            rolling.count == DictionaryState.rollingByteCount, "a rolling hash has 16 bytes")
        self.count = count
        self.rolling = rolling
    }

    /// The state behind `definitions` more entries, whose bytes are `encoded`. Where these are not
    /// that many definitions, the state is one that no header names.
    package func advanced(by definitions: Int, encoded: [UInt8], _ hasher: some ContentHasher)
        -> DictionaryState
    {
        guard definitions > 0 else { return self }
        let domain = SignatureDomain.dictionary.bytes
        var rolling = rolling
        var offset = 0
        for _ in 0..<definitions {
            let end = Definition.end(in: encoded, from: offset)
            let hash = hasher.sha256(domain + rolling, Array(encoded[offset..<end]))
            rolling = Array(hash.bytes.prefix(DictionaryState.rollingByteCount))
            offset = end
        }
        return DictionaryState(
            count: count &+ UInt32(truncatingIfNeeded: definitions), rolling: rolling)
    }
}

/// The writer's dictionary: which number each name has.
package struct StreamDictionary: Sendable {
    package private(set) var definitions: [Definition] = []
    private var accounts: [AccountAddress: UInt32] = [:]
    private var assets: [Asset: UInt32] = [:]
    /// By their bytes: `String` takes texts for equal that differ in them.
    private var texts: [[UInt8]: UInt32] = [:]

    package init() {}

    package var count: Int { definitions.count }

    /// Takes over a definition that is already in the log.
    package mutating func restore(_ definition: Definition) {
        switch definition {
        case .account(let account): _ = number(account)
        case .asset(let asset): _ = number(asset)
        case .text(let text): _ = number(text)
        }
    }

    /// The name's number; new names are numbered at the end of `definitions`.
    package mutating func number(_ account: AccountAddress) -> UInt32 {
        if let number = accounts[account] { return number }
        accounts[account] = UInt32(definitions.count)
        return append(.account(account))
    }

    package mutating func number(_ asset: Asset) -> UInt32 {
        if let number = assets[asset] { return number }
        assets[asset] = UInt32(definitions.count)
        return append(.asset(asset))
    }

    package mutating func number(_ text: String) -> UInt32 {
        let bytes = Array(text.utf8)
        if let number = texts[bytes] { return number }
        texts[bytes] = UInt32(definitions.count)
        return append(.text(text))
    }

    /// Forgets the names from a number on, which nothing that stands refers to.
    mutating func removeAll(from count: Int) {
        for definition in definitions[count...] {
            switch definition {
            case .account(let account): accounts[account] = nil
            case .asset(let asset): assets[asset] = nil
            case .text(let text): texts[Array(text.utf8)] = nil
            }
        }
        definitions.removeLast(definitions.count - count)
    }

    /// The name's number; nil for one that was never used.
    package func existing(_ account: AccountAddress) -> UInt32? { accounts[account] }

    package func existing(_ asset: Asset) -> UInt32? { assets[asset] }

    private mutating func append(_ definition: Definition) -> UInt32 {
        definitions.append(definition)
        return UInt32(definitions.count - 1)
    }
}
