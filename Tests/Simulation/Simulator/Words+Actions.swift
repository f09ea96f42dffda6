import AgentCore
import AggregatorCore
import SyncProtocol

/// What the cores want done, for people who read a trace.
extension Words {
    static func action(_ action: OutboxSession.Action) -> String {
        switch action {
        case .sendHello: "greets"
        case .prepare(let session, _, _): "makes session \(session) durable"
        case .sendProof(_, let session, let proof):
            "proves session \(session) at head \(proof.head.sequence)"
        case .sendSegments(_, let after, let through, let byteCountMax):
            "wants to send \(after + 1)…\(through) in \(byteCountMax) bytes"
        case .locate(let places): "looks for \(places.map(\.sequence))"
        case .sendDefinitions: "sends definitions"
        case .progress(let progress): "releases through \(progress.ack.through.sequence)"
        case .end(let finding): "ends: \(finding.sentence)"
        case .hold(let finding): "holds: \(finding.sentence)"
        case .refuse(let finding): "refuses: \(finding.sentence)"
        }
    }

    static func action(_ action: StreamSession.Action) -> String {
        switch action {
        case .sendWelcome: "welcomes"
        case .merge(let run):
            "merges \(run.beginsBranch ? "a branch " : "")"
                + run.segments.map { "\($0.segment.header.firstSequence)…\($0.end.sequence)" }
                .joined(separator: " ")
        case .persistRecord: "writes the record"
        case .persistWatermark: "keeps the watermark"
        case .sendAck(_, let point): "acknowledges \(point.sequence)"
        case .sendNeeds(_, let needs): "needs what follows \(needs.gaps[0].after.sequence)"
        case .sendNeedsDefinitions: "needs definitions"
        case .lookUp(let lookUp): "looks up what follows \(lookUp.parent.sequence)"
        case .close(let standing): "closes the stream: \(standing.name)"
        case .lack(let range): "lacks \(range)"
        case .drop(let drop): "drops: \(drop.rawValue)"
        }
    }
}
