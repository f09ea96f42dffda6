import LedgerCore
import SyncProtocol
import TestSupport
import Testing

@Suite struct GenesisTests {
    @Test(arguments: 0..<200 as Range<UInt64>)
    func `a genesis comes back as it was, and a shorter or longer one is refused`(seed: UInt64)
        throws
    {
        var random = SplitMix64(seed: seed)
        let genesis = try random.genesis()
        let bytes = genesis.encoded()
        #expect(bytes.count <= Genesis.byteCountMax)
        #expect(try Genesis(decoding: bytes) == genesis, "seed \(seed)")
        for count in 0..<bytes.count {
            #expect(throws: WireError.self, "seed \(seed)") {
                try Genesis(decoding: Array(bytes.prefix(count)))
            }
        }
        #expect(throws: WireError.self, "seed \(seed)") { try Genesis(decoding: bytes + [0]) }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `a damaged genesis is refused or is another one with other bytes`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let bytes = try random.genesis().encoded()
        for _ in 0..<500 {
            var damaged = bytes
            random.damage(&damaged, in: 0..<bytes.count)
            guard let genesis = try? Genesis(decoding: damaged) else { continue }
            #expect(genesis.encoded() == damaged, "seed \(seed)")
        }
    }

    @Test func `any one bit of a genesis changes its hash, which has a domain of its own`() throws {
        var random = SplitMix64(seed: 4)
        let genesis = try random.genesis()
        let hash = genesis.hash(PlainSHA256())
        let domain = Array("tributary/v1/genesis".utf8) + [0]
        #expect(hash == PlainSHA256().sha256(domain, genesis.encoded()))
        #expect(hash != PlainSHA256().sha256([], genesis.encoded()))
        let other = Genesis(
            writer: genesis.writer, ledger: genesis.ledger, agent: genesis.agent,
            nonce: genesis.nonce.dropLast() + [genesis.nonce[15] ^ 1], publicKey: genesis.publicKey,
            parent: genesis.parent)
        #expect(other.hash(PlainSHA256()) != hash)
    }

    @Test func `a nonce of another length stops the process`() async {
        await #expect(processExitsWith: .failure) {
            let agent = try AgentID("a")
            let key = PublicKey(bytes: [UInt8](repeating: 0, count: 32))
            _ = Genesis(writer: .agent, ledger: "l", agent: agent, nonce: [1], publicKey: key)
        }
    }
}
