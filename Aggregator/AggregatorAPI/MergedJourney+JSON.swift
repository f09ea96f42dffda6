import AggregatorCore
import HTTPSupport
import LedgerCore
import TextFormats

extension MergedJourney {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id.description)
            json.member("agent", id.agent.description)
            json.member("status", transaction == nil ? "announced" : "merged")
            json.name("stages")
            json.array(of: stages) { json, entry in
                json.object { json in
                    json.member("name", entry.stage.rawValue)
                    json.member(
                        "place", entry.stage.isOfAgent ? id.agent.description : "aggregator")
                    entry.moment.writeMembers(to: &json)
                }
            }
            json.name("attempt")
            if let transaction { json.value(Int64(transaction.attempt)) } else { json.null() }
            json.name("position")
            if let transaction { json.value(transaction.position) } else { json.null() }
            json.name("segment")
            guard let transaction else { return json.null() }
            json.object { json in
                json.member("first", transaction.segmentFirst)
                json.member("count", Int64(transaction.segmentCount))
            }
        }
    }
}

extension MergedJourney.Moment {
    fileprivate func writeMembers(to json: inout JSONWriter) {
        switch self {
        case .at(let time): json.member("at", microseconds: time.microseconds)
        case .unknown(let reason):
            json.member("at", nil)
            json.member("reason", reason)
        }
    }
}
