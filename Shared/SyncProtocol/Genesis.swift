import LedgerCore

/// What a stream begins with: who writes it, with which key, and a nonce that makes it unlike any
/// other. Its hash is `hash(0)` of the chain, and the stream's tag comes from that hash.
package struct Genesis: Hashable, Sendable {
    package enum Writer: UInt8, Sendable {
        case agent = 1
        case hub = 2
    }

    package static let nonceByteCount = 16
    package static let ledgerBytesMax = 63
    package static let byteCountMax = 512
    private static let magic: [UInt8] = Array("TGEN".utf8)
    private static let version: UInt8 = 1

    package let writer: Writer
    /// The name of the ledger that the stream belongs to.
    package let ledger: String
    /// The agent's id; for a hub, the aggregator's.
    package let agent: AgentID
    package let nonce: [UInt8]
    package let publicKey: PublicKey
    /// For a hub stream that follows another: where the one before stood.
    package let parent: Parent?

    package struct Parent: Hashable, Sendable {
        package let stream: StreamTag
        package let position: UInt64
        package let hash: Hash256

        package init(stream: StreamTag, position: UInt64, hash: Hash256) {
            self.stream = stream
            self.position = position
            self.hash = hash
        }
    }

    /// - Precondition: 16 bytes of nonce and a ledger name of at most 63 bytes.
    package init(
        writer: Writer, ledger: String, agent: AgentID, nonce: [UInt8], publicKey: PublicKey,
        parent: Parent? = nil
    ) {
        precondition(
            nonce.count == Genesis.nonceByteCount,
            "a genesis nonce has 16 bytes, not \(nonce.count)")
        precondition(
            ledger.utf8.count <= Genesis.ledgerBytesMax, "a ledger's name has at most 63 bytes")
        self.writer = writer
        self.ledger = ledger
        self.agent = agent
        self.nonce = nonce
        self.publicKey = publicKey
        self.parent = parent
    }

    /// `hash(0)`.
    package func hash(_ hasher: some ContentHasher) -> Hash256 {
        hasher.sha256(SignatureDomain.genesis.bytes, encoded())
    }

    package func encoded() -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(Genesis.magic)
        writer.u8(Genesis.version)
        writer.u8(self.writer.rawValue)
        writer.text(ledger)
        writer.text(agent.description)
        writer.raw(nonce)
        writer.raw(publicKey.bytes)
        writer.u8(parent == nil ? 0 : 1)
        if let parent {
            writer.fixed(parent.stream.rawValue)
            writer.fixed(parent.position)
            writer.hash(parent.hash)
        }
        return writer.bytes
    }

    package init(decoding bytes: [UInt8]) throws(WireError) {
        self = try ByteReader.decode(bytes) { (reader) throws(WireError) in
            let genesis = try Genesis(from: &reader)
            try reader.expectEnd()
            return genesis
        }
    }

    private init(from reader: inout ByteReader) throws(WireError) {
        guard try reader.raw(4) == Genesis.magic else { throw reader.failure(.badMagic) }
        let version = try reader.u8()
        guard version == Genesis.version else { throw reader.failure(.unknownVersion(version)) }
        guard let writer = Writer(rawValue: try reader.u8()) else {
            throw reader.failure(.invalid(what: "the writer"))
        }
        self.writer = writer
        ledger = try reader.text("the ledger's name", limit: Genesis.ledgerBytesMax)
        agent = try reader.agentID()
        nonce = try reader.raw(Genesis.nonceByteCount)
        publicKey = PublicKey(bytes: try reader.raw(PublicKey.byteCount))
        if try reader.flag("the parent's flag") {
            parent = Parent(
                stream: try reader.streamTag(), position: try reader.fixed(),
                hash: try reader.hash())
        } else {
            parent = nil
        }
    }
}

/// What a signature or a hash is for, so that one made for a purpose is worth nothing for another.
package enum SignatureDomain: String, Sendable {
    case genesis = "tributary/v1/genesis"
    case hello = "tributary/v1/hello"
    case proof = "tributary/v1/proof"
    case segments = "tributary/v1/segments"
    case message = "tributary/v1/message"
    case hubEvent = "tributary/v1/hub-event"
    case dictionary = "tributary/v1/dictionary"

    /// The text and a zero byte, which stands in none of them: no domain is another's prefix.
    package var bytes: [UInt8] { Array(rawValue.utf8) + [0] }
}

extension ByteReader {
    mutating func agentID() throws(WireError) -> AgentID {
        let text = try text("the agent's id", limit: AgentID.lengthMax)
        do throws(InvalidValue) { return try AgentID(text) } catch {
            throw failure(.invalid(what: "the agent's id"))
        }
    }

    mutating func streamTag() throws(WireError) -> StreamTag {
        guard let tag = StreamTag(rawValue: try fixed()) else {
            throw failure(.invalid(what: "the stream's tag"))
        }
        return tag
    }

    /// The hub's stream; where none was seen its place holds zeros.
    mutating func seenHub(_ isSeen: Bool) throws(WireError) -> StreamTag? {
        let tag = try streamTag()
        guard isSeen || tag.rawValue == 0 else {
            throw failure(.invalid(what: "the hub of one that saw none"))
        }
        return isSeen ? tag : nil
    }
}
