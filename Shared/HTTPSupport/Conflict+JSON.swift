import LedgerCore
import SyncProtocol
import TextFormats

extension ConflictView {
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id.description)
            json.member("kind", conflict.kind.rawValue)
            json.member("cause", ifPresent: conflict.event.content.fact.cause)
            json.member("status", conflict.isOpen ? "open" : "resolved")
            json.name("agent")
            if let agent { json.value(agent.description) } else { json.null() }
            json.member("stream", conflict.stream.description)
            json.member("standing", ifPresent: standing?.name)
            json.member("summary", summary)
            json.member("advice", advice)
            json.member("recorded_at", microseconds: conflict.event.time.time.microseconds)
            json.member("repeats", conflict.repeats)
            json.name("events")
            json.array(of: conflict.event.content.fact.span) { json, span in
                json.write(span.sequences, segment: span.segment)
            }
            json.name("without_effect")
            json.array(of: withoutEffect) { json, range in json.write(range) }
            json.name("branches")
            json.array(of: branches) { json, end in end.write(to: &json) }
            conflict.event.content.fact.writeMembers(to: &json)
            json.name("resolution")
            if let resolution = conflict.resolution, let resolutionID {
                resolution.write(as: resolutionID, to: &json)
            } else {
                json.null()
            }
        }
    }
}

extension ChainPoint {
    /// A branch's end.
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("head", sequence)
            json.member("hash", hash.description)
        }
    }
}

extension Conflict.Resolution {
    fileprivate func write(as id: EventID, to json: inout JSONWriter) {
        json.object { json in
            json.member("event", id.description)
            json.member("what", event.content.fact.name)
            json.member("at", microseconds: event.time.time.microseconds)
            json.member("operator", ifPresent: event.content.decision?.operatorName)
            json.member("reason", ifPresent: event.content.decision?.reason)
        }
    }
}

extension HubFact {
    /// Why, where a kind of conflict has several causes.
    fileprivate var cause: String? {
        switch self {
        case .closed(_, let standing, _): standing.name
        case .gapLost(let gap): gap.cause.name
        case .quarantined(_, .unreadable): "unreadable"
        case .quarantined(_, .unknownKind): "unknown_kind"
        default: nil
        }
    }

    /// The events that it is about; with their segment, where that is here.
    fileprivate var span: [(sequences: ClosedRange<UInt64>, segment: Hash256?)] {
        switch self {
        case .gapLost(let gap): [(gap.sequences, nil)]
        case .quarantined(let span, _), .restamped(let span, _), .reordered(let span, _):
            [(span.sequences, span.segment)]
        default: []
        }
    }

    /// What only some kinds have.
    fileprivate func writeMembers(to json: inout JSONWriter) {
        switch self {
        case .closed(_, _, let evidence?):
            json.name("evidence")
            evidence.write(to: &json)
        case .gapLost(let gap):
            json.member("hash_before", gap.before.description)
            json.member("resumes_behind", gap.resumesBehind.description)
        case .quarantined(_, .unknownKind(let kind)):
            json.member("event_kind", UInt64(kind))
        case .restamped(_, let offset):
            json.member("offset_seconds", Double(offset) / 1_000_000)
        case .reordered(_, let former):
            json.name("former")
            json.object { json in
                json.member("hub", former.hub.description)
                json.member("position", former.position)
            }
        default: break
        }
    }
}

extension SignedHead {
    /// With all that is needed to check the signature.
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("head", proof.head.sequence)
            json.member("hash", proof.head.hash.description)
            json.member("passes_announced", proof.passesAnnounced)
            json.member("has_left", proof.hasLeft)
            json.member("session", session)
            json.member("challenge", challenge.hexadecimal)
            json.member("greeting", greeting.description)
            json.member("signature", signature.bytes.hexadecimal)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func write(_ range: ClosedRange<UInt64>, segment: Hash256? = nil) {
        object { json in
            json.member("first", range.lowerBound)
            json.member("last", range.upperBound)
            json.member("count", range.upperBound - range.lowerBound + 1)
            json.member("segment", ifPresent: segment?.description)
        }
    }
}
