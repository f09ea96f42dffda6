import AggregatorCore
import HTTPSupport
import LedgerCore
import SyncProtocol
import TextFormats

extension Completeness {
    /// As members of the ledger's object.
    func writeMembers(to json: inout JSONWriter) {
        json.member("live_agents", liveCount)
        json.member("complete_through", through?.time)
        json.member("complete_through_without_them", throughWithoutLaggards?.time)
        json.member("held_back_by_count", laggardCount)
        json.name("held_back_by")
        json.array(of: laggards) { json, laggard in
            json.object { json in
                json.member("agent", laggard.agent.description)
                json.member("complete_through", laggard.through?.time)
                json.member("backlog", laggard.backlog)
                laggard.cause.writeMembers(to: &json)
            }
        }
    }
}

extension Completeness.Cause {
    fileprivate func writeMembers(to json: inout JSONWriter) {
        switch self {
        case .stopped(let standing): json.member("cause", standing.name)
        case .offline(let since):
            json.member("cause", "offline")
            json.member("since", since)
        case .replaced(let stream):
            json.member("cause", "replaced")
            json.member("stream", "\(stream)")
        case .backlog: json.member("cause", "backlog")
        case .clock(let behind):
            json.member("cause", "clock_behind")
            json.member("clock_offset_seconds", -Double(behind) / 1_000_000)
        case .silent: json.member("cause", "silent")
        }
    }
}
