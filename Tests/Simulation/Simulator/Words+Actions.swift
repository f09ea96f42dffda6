import AgentCore
import AggregatorCore
import SyncProtocol

/// What the cores want done, for people who read a trace.
extension Words {
    static func errand(_ errand: Errand) -> String {
        switch errand {
        case .open(let opening): "makes session \(opening.session) of \(opening.stream) durable"
        case .keep(let kept): "keeps that \(kept.stream) is safe through \(kept.through.sequence)"
        case .promiseTime: "asks for a promise of time"
        case .take: "takes accounts"
        case .follow(let hub): "follows hub \(hub.tag)"
        case .keepEvents(let events): "keeps \(events.count) hub events"
        case .observe: "follows the hub's clock"
        case .end(let stream, let end): "ends \(stream): \(end.detail)"
        case .finish(let stream, _): "is done with \(stream)"
        }
    }

    static func note(_ note: Outbox.Note) -> String {
        switch note {
        case .progress(let stream, let progress):
            "\(stream) is safe through \(progress.ack.through.sequence)"
        case .lost(let stream, let beyond): "\(stream) is uncertain beyond \(beyond)"
        case .ends(let stream, let finding): "\(stream) ends: \(finding.sentence)"
        case .held(let stream, let finding): "\(stream) is held: \(finding.sentence)"
        case .refused(let stream, let finding): "\(stream) refuses: \(finding.sentence)"
        case .drawn(let stream, let before): "goes on in \(stream) behind \(before)"
        case .drained(let stream): "\(stream) is drained"
        case .follows(let hub, _): "follows hub \(hub.tag)"
        case .stray(let hub): "hears the hub \(hub) that it has left"
        case .forged(let kind): "refuses a frame of kind \(kind) that the hub did not sign"
        case .broken(let error): "refuses a broken message: \(error)"
        case .told(let event): "is told \(event.event.content.fact.name)"
        case .unreadable(let stream, let range): "cannot read \(range) of \(stream)"
        }
    }

    /// Nil for what another line says.
    static func action(_ action: Hub.Action) -> String? {
        switch action {
        case .send, .announce: nil
        case .lookUp(let lookUp, let stream):
            "looks up what follows \(lookUp.parent.sequence) of \(stream)"
        case .fetch(let span): "reads \(span.sequences) of \(span.stream)"
        case .decided(_, let result): "has decided: \(result)"
        case .note(let note): self.note(note)
        }
    }

    private static func note(_ note: Hub.Note) -> String? {
        switch note {
        case .received: nil
        case .dropped(let drop, let agent): "drops what \(agent) says: \(drop.rawValue)"
        case .broken(let error, let agent): "cannot read what \(agent) says: \(error)"
        case .foreignLedger(let ledger, let agent): "hears \(agent) of \(ledger)"
        case .setAside(let stream, let first, let count):
            "sets \(count) of \(stream) aside, from \(first) on"
        case .opened(let stream, let session, let agent):
            "is in session \(session) of \(stream) with \(agent)"
        case .closed(let stream, let standing, _): "closes \(stream): \(standing.name)"
        case .awaitsApproval(let stream, _): "has \(stream) wait for an operator"
        case .lost(let gap, _): "gives up \(gap.sequences) of \(gap.stream)"
        case .acknowledged(let stream, _): "acknowledges \(stream)"
        case .recorded(let event): "writes \(event.sequence): \(event.content.fact.name)"
        case .fellBehind(let agent): "is an older copy, says \(agent.map { "\($0)" } ?? "its mark")"
        case .drew(let stream, let former): "goes on in \(stream) behind \(former)"
        case .cannotRelease(let span): "cannot release \(span.sequences) of \(span.stream)"
        }
    }
}
