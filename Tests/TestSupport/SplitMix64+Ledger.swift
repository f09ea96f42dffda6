import LedgerCore

/// Random values of the ledger: small worlds, so that names repeat, and now and then the largest
/// that is allowed.
extension SplitMix64 {
    package mutating func text(bytesMax: Int) -> String {
        let alphabet: [Character] = [
            "a", "Z", "7", " ", "\"", "\n", "\0", "é", "e\u{301}", "ß", "水", "🧾", "👩‍👩‍👧",
        ]
        var text = ""
        for _ in 0..<below(24) {
            let character = alphabet[below(alphabet.count)]
            guard text.utf8.count + String(character).utf8.count <= bytesMax else { break }
            text.append(character)
        }
        return oneIn(30) ? String(repeating: "x", count: bytesMax) : text
    }

    package mutating func account() throws -> AccountAddress {
        switch below(20) {
        case 0: .world
        case 1: try AccountAddress("deep:" + String(repeating: "a:", count: 124) + "Z_")
        default: try AccountAddress("stores:\(below(9)):till:\(below(9))")
        }
    }

    package mutating func asset() throws -> Asset {
        try Asset(["EUR/2", "USD/2", "KWH/3", "SKU-8812", "POINTS"][below(5)])
    }

    package mutating func amount() throws -> Amount {
        try Amount(oneIn(10) ? Int64.max - Int64(below(3)) : Int64(1 + below(1_000_000)))
    }

    package mutating func posting() throws -> Posting {
        Posting(
            source: try account(), destination: try account(), asset: try asset(),
            amount: try amount())
    }

    package mutating func streamTag() -> StreamTag {
        StreamTag(genesisHash: hash())
    }

    package mutating func hash() -> Hash256 {
        Hash256(bytes(Hash256.byteCount))
    }

    package mutating func agent() throws -> AgentID {
        try AgentID(
            oneIn(8) ? String(repeating: "z", count: AgentID.lengthMax) : "till-\(below(1000))")
    }

    package mutating func timestamp() -> Timestamp {
        Timestamp(microseconds: Int64(bitPattern: next()))
    }

    package mutating func eventID() throws -> EventID {
        EventID(
            agent: try agent(), stream: streamTag(), sequence: 1 + next() % UInt64.max,
            branch: oneIn(2) ? hash().shortDescription : nil)
    }

    package mutating func metadata() -> [MetadataPair] {
        (0..<below(Transaction.Limits.metadataPairsMax + 1)).map { index in
            MetadataPair(name: "\(index)" + text(bytesMax: 40), value: text(bytesMax: 200))
        }
    }

    /// Each optional part is there in one of three.
    package mutating func transaction() throws -> Transaction {
        let postings = oneIn(3) ? 1 + below(Transaction.Limits.postingsMax) : 1
        return try Transaction(
            postings: try (0..<postings).map { _ in try posting() },
            reference: oneIn(3) ? text(bytesMax: Transaction.Limits.referenceBytesMax) : nil,
            metadata: oneIn(3) ? metadata() : [], occurredAt: oneIn(3) ? timestamp() : nil,
            related: oneIn(3) ? try eventID() : nil)
    }

    package mutating func keyedRequest() throws -> KeyedRequest {
        let scope = oneIn(2) ? "client-\(below(4))" : text(bytesMax: IdempotencyKey.lengthMax)
        let key = try IdempotencyKey(
            scope: scope, key: "k" + text(bytesMax: IdempotencyKey.lengthMax - 1))
        return KeyedRequest(key: key, digest: RequestDigest(high: next(), low: next()))
    }

    package mutating func traceContext() -> TraceContext {
        TraceContext(
            traceID: bytes(16), spanID: bytes(8), flags: UInt8(below(2)),
            state: text(bytesMax: TraceContext.stateBytesMax))
    }
}
