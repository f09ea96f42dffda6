import AggregatorCore
import LedgerCore
import SyncProtocol

/// What of the hub's doing is marked and checked.
extension SimulatedAggregator {
    /// A message that is about to be handed to the hub.
    func look(at bytes: [UInt8]) {
        do {
            let frame = try Frame(decoding: bytes)
            switch try Message(frame) {
            case nil: world.mark(.unknownFrame)
            case .hello(let hello):
                let tag = StreamTag(genesisHash: hello.genesis.hash(ToyHasher()))
                if hub.session(tag)?.provedSession != nil { world.mark(.greetingWhileStreaming) }
            default: break
            }
        } catch { world.mark(.brokenFrame) }
    }

    /// A message on its way to an agent.
    func mark(_ frame: Frame) {
        guard let message = try? Message(frame) else { return }
        switch message {
        case .welcome(let welcome):
            world.mark(.welcomed)
            world.checkHubClock(welcome.clock)
        case .needs: world.mark(.needsSent)
        case .needsDefinitions: world.mark(.definitionsNeeded)
        case .ack(let ack):
            world.mark(.acknowledged)
            world.checkAcknowledgement(self, ack.stream, ack.through)
        case .hubEvents(let events): world.checkTold(events)
        default: break
        }
    }

    func mark(_ note: Hub.Note) {
        switch note {
        case .dropped(let drop, _): world.mark(drop.mark)
        case .setAside: world.mark(.setAside)
        case .opened: world.mark(.proved)
        case .closed(let tag, let standing, _):
            world.mark(standing == .forked ? .closedForked : .closedRolledBack)
            world.accused(tag, standing)
        case .lost(let gap, _):
            world.mark(.lacking)
            world.checkLoss(gap)
        case .drew: world.mark(.hubDrew)
        case .broken, .foreignLedger, .received, .awaitsApproval, .acknowledged, .recorded,
            .fellBehind, .cannotRelease:
            break
        }
    }

    func mark(_ commit: HubCommit) {
        if commit.checkpoint != nil { world.mark(.checkpoint) }
        for arrival in commit.arrivals {
            if arrival.run.beginsBranch { world.mark(.branchBegun) }
            for _ in arrival.run.segments { world.mark(.merged) }
        }
        for (tag, record) in commit.records {
            let known = contents.streams[tag]?.record.watermark
            if let known, record.watermark > known { world.mark(.watermarkKept) }
        }
    }
}

extension Topic {
    var name: Int? {
        switch self {
        case .up(let name), .status(let name): name
        case .down, .hub: nil
        }
    }
}

extension StreamSession.Drop {
    fileprivate var mark: Mark {
        switch self {
        case .notInSession: .dropNotInSession
        case .badSignature: .dropBadSignature
        case .foreignStream: .dropForeignStream
        case .brokenSegment: .dropBrokenSegment
        case .duplicate: .dropDuplicate
        case .tooEarly: .dropTooEarly
        case .streamStopped: .dropStreamStopped
        case .badDictionary: .dropBadDictionary
        case .tooManyBranches: .dropTooManyBranches
        case .notLookedUp: .dropNotLookedUp
        case .watermarkAhead: .dropWatermarkAhead
        case .staleWatermark: .dropStaleWatermark
        }
    }
}
