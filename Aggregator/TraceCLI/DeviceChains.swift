import Foundation
import GRDB
import LedgerCore
import SegmentStore
import SyncProtocol

/// One stream of a device.
struct DeviceChain {
    var stream: String
    var head: BranchAnswer
    /// The first event that is kept; one beyond the head where none is.
    var oldestRetained: UInt64
}

/// A segment of a chain.
struct ChainSegment {
    var first: UInt64
    var last: UInt64
    var hash: String
}

/// What a device says of its own chains.
protocol DeviceChains {
    var agent: String { get }
    /// In the order in which they were written.
    var chains: [DeviceChain] { get }
    /// Nil where it is not kept.
    func segment(containing number: UInt64, of chain: DeviceChain) async throws -> ChainSegment?
}

extension DeviceChains {
    /// Whether a chain leads through a segment's end.
    func leads(through end: BranchAnswer, of chain: DeviceChain) async throws -> Bool {
        if end == chain.head { return true }
        // What is pruned was acknowledged, and is taken to be the ledger's.
        guard end.head >= chain.oldestRetained else { return true }
        guard end.head <= chain.head.head else { return false }
        let segment = try await segment(containing: end.head, of: chain)
        return segment?.hash == end.hash
    }
}

/// A running agent, by its API.
struct RunningDevice: DeviceChains {
    private let api: DaemonAPI
    let agent: String
    let chains: [DeviceChain]

    private struct Answer: Decodable {
        struct Stream: Decodable {
            var stream: String
            var head: UInt64
            var hash: String
            var oldestRetained: UInt64
        }

        var agent: String
        var streams: [Stream]
    }

    private struct Journey: Decodable {
        struct Segment: Decodable {
            var first: UInt64
            var count: UInt64
            var hash: String
        }

        var segment: Segment
    }

    init(_ address: String) async throws {
        api = try DaemonAPI(address, option: "diff")
        try await api.expect(.agent)
        guard let answer: Answer = try await api.get("/v1/sync") else {
            throw TraceFailure.usage("\(address) is no agent of this version")
        }
        agent = answer.agent
        chains = answer.streams.map {
            DeviceChain(
                stream: $0.stream, head: BranchAnswer(head: $0.head, hash: $0.hash),
                oldestRetained: $0.oldestRetained)
        }
    }

    func segment(containing number: UInt64, of chain: DeviceChain) async throws -> ChainSegment? {
        let path = "/v1/transactions/\(agent).\(chain.stream).\(number)/journey"
        guard let journey: Journey = try await api.get(path) else { return nil }
        let segment = journey.segment
        return ChainSegment(
            first: segment.first, last: segment.first + segment.count - 1, hash: segment.hash)
    }
}

/// A data folder, read through a copy.
final class StoppedDevice: DeviceChains {
    private let copy: LogCopy
    private let database: DatabaseQueue
    private let ids: [String: StreamID]
    let agent: String
    let chains: [DeviceChain]

    init(_ path: String) throws {
        let file = try LogFile.find(path)
        guard file.side == .agent else {
            throw TraceFailure.usage(
                "\(path) is an aggregator's; diff takes an agent's data folder")
        }
        do {
            copy = try LogCopy(of: file.path, scratch: NSTemporaryDirectory())
            database = try DatabaseQueue(path: copy.path)
            let found = try database.read { database in
                try SegmentLog.streams(database).map {
                    (row: $0, head: try SegmentLog.head(database, of: $0.id)?.end)
                }
            }
            guard let first = found.first else {
                throw TraceFailure.failed("\(path) has no stream yet")
            }
            agent = first.row.genesis.agent.description
            ids = Dictionary(found.map { ($0.row.tag.description, $0.row.id) }) { first, _ in first
            }
            chains = found.map { row, end in
                let pruned = row.pruned?.through ?? 0
                let head =
                    end.map { BranchAnswer(head: $0.sequence, hash: $0.hash.description) }
                    ?? BranchAnswer(
                        head: pruned, hash: (row.pruned?.hash ?? row.genesisHash).description)
                return DeviceChain(
                    stream: row.tag.description, head: head, oldestRetained: pruned + 1)
            }
        } catch let failure as TraceFailure {
            throw failure
        } catch {
            throw TraceFailure.failed("\(error)")
        }
    }

    func segment(containing number: UInt64, of chain: DeviceChain) async throws -> ChainSegment? {
        guard let id = ids[chain.stream] else { return nil }
        let stored = try read(number, of: id)
        return stored.map {
            ChainSegment(
                first: $0.segment.header.firstSequence, last: $0.segment.header.lastSequence,
                hash: $0.hash.description)
        }
    }

    private func read(_ number: UInt64, of stream: StreamID) throws -> StoredSegment? {
        try database.read { try SegmentLog.segment($0, of: stream, containing: number) }
    }
}
