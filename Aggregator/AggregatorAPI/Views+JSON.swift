import AggregatorCore
import HTTPSupport
import LedgerCore
import SyncProtocol
import TextFormats

extension MergedTransaction {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id.description)
            json.member("status", status.rawValue)
            json.member("agent", id.agent.description)
            json.member("accepted_at", microseconds: event.time.time.microseconds)
            json.member("hlc", event.time.rawValue)
            if let trace = event.trace { json.member("trace_id", trace.traceID.hexadecimal) }
            event.transaction.writeMembers(to: &json)
            json.member("position", position)
            json.name("segment")
            json.object { json in
                json.member("first", segmentFirst)
                json.member("count", Int64(segmentCount))
            }
            json.member("published_at", publishedAt)
            json.member("attempt", Int64(attempt))
            json.member("received_at", receivedAt)
            json.member("merged_at", microseconds: committedAt.microseconds)
        }
    }
}

extension MergedAccount {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("address", address.description)
            json.name("balances")
            json.array(of: balances) { json, total in
                json.object { json in
                    json.member("asset", total.asset.description)
                    json.member("balance", total.input - total.output)
                    json.member("input", total.input)
                    json.member("output", total.output)
                }
            }
        }
    }
}

extension LedgerSummary {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("transactions", counts.transactions)
            json.member("events", counts.events)
            json.member("set_aside", counts.setAside)
            json.name("conserved")
            if let audit { json.value(audit.isConserved) } else { json.null() }
            json.name("violations")
            json.array(of: audit?.violations ?? []) { json, violation in violation.write(to: &json)
            }
            json.name("unbalanced_assets")
            json.array(of: audit?.unbalanced ?? []) { json, asset in json.value(asset.description) }
            completeness.writeMembers(to: &json)
            json.member("audited_through", auditedThrough)
            json.member("position", position)
            json.member("indexed_through", indexedThrough)
            json.member("digest", digest.description)
            json.member("facts_digest", factsDigest.description)
            json.name("assets")
            json.array(of: totals) { json, total in
                json.object { json in
                    json.member("asset", total.asset.description)
                    json.member("input", total.input)
                    json.member("output", total.output)
                }
            }
        }
    }
}

extension AuditResult.Violation {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("account", account.description)
            json.member("asset", asset.description)
            json.member("stored_input", foldInput)
            json.member("stored_output", foldOutput)
            json.member("log_input", logInput)
            json.member("log_output", logOutput)
        }
    }
}

extension AgentView {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id.description)
            json.member("state", state)
            json.member("online", isOnline)
            json.member("backlog", backlog)
            json.member("complete_through", watermark?.time)
            json.name("streams")
            json.array(of: streams) { json, stream in
                json.object { json in
                    json.member("stream", stream.tag.description)
                    json.member("standing", stream.standing.name)
                    json.member("announced", stream.announced)
                    json.member("merged", stream.merged)
                    json.member("session", stream.session)
                    json.member("complete_through", stream.watermark?.time)
                    json.member("current", stream.isCurrent)
                    json.member("open_conflicts", stream.openConflicts)
                    json.name("branches")
                    json.array(of: stream.branches) { json, end in end.write(to: &json) }
                    json.name("gaps")
                    json.array(of: stream.gaps) { json, gap in gap.write(to: &json) }
                    if let lacking = stream.lacking {
                        json.name("lacking")
                        json.object { json in
                            json.member("first", lacking.sequences.lowerBound)
                            json.member("through", lacking.sequences.upperBound)
                            json.member("cause", lacking.cause.name)
                        }
                    }
                }
            }
            json.member("version", softwareVersion)
            json.member("last_seen_at", lastSeenAt)
            json.member("offline_since", offlineSince)
            json.member("last_ack_at", lastAckAt)
            json.name("clock_offset_seconds")
            if let clockOffset { json.value(Double(clockOffset) / 1_000_000) } else { json.null() }
            json.member("set_aside", setAside)
        }
    }

    /// In a word, the worst first.
    var state: String {
        if let stopped { return stopped.standing.name }
        if streams.contains(where: { $0.lacking != nil }) { return "lacking" }
        return isOnline ? "online" : "offline"
    }
}

extension AgentView.StreamView.Gap {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("first", sequences.lowerBound)
            json.member("last", sequences.upperBound)
            json.member("status", isOpen ? "open" : "resolved")
        }
    }
}
