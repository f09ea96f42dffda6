import AgentCore
import HTTPSupport
import LedgerCore
import SyncProtocol
import TextFormats

extension RecordedTransaction {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("id", id.description)
            json.member("status", status.rawValue)
            json.member("accepted_at", microseconds: event.time.time.microseconds)
            json.member("hlc", event.time.rawValue)
            if let trace = event.trace { json.member("trace_id", trace.traceID.hexadecimal) }
            event.transaction.writeMembers(to: &json)
            guard !conflicts.isEmpty else { return }
            json.name("conflicts")
            json.array(of: conflicts) { json, id in json.value(id.description) }
        }
    }
}

extension Journey {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.name("transaction")
            transaction.write(to: &json)
            json.member("agent", transaction.id.agent.description)
            json.member("accepted_at", microseconds: transaction.event.time.time.microseconds)
            json.member("durable_at", microseconds: durableAt.microseconds)
            json.name("segment")
            json.object { json in
                json.member("first", segmentFirst)
                json.member("count", Int64(segmentCount))
                json.member("hash", segmentHash.description)
            }
            json.name("receipt")
            guard let receipt else { return json.null() }
            receipt.write(to: &json)
        }
    }
}

extension Receipt {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("first", first)
            json.member("through", through.sequence)
            json.member("published_at", publishedAt)
            json.member("attempt", Int64(attempt))
            json.member("acknowledged_at", microseconds: acknowledgedAt.microseconds)
            json.member("received_at", microseconds: receivedAt.microseconds)
            json.member("committed_at", microseconds: committedAt.microseconds)
            json.member("hub", hub.description)
            json.name("position")
            if let position { json.value(position) } else { json.null() }
            json.name("waited_for")
            if waitedFor.isEmpty { json.null() } else { json.value(waitedFor) }
        }
    }
}

extension AccountView {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("address", address.description)
            json.name("balances")
            json.array(of: balances) { json, balance in
                json.object { json in
                    json.member("asset", balance.asset.description)
                    json.member("balance", balance.input - balance.output)
                    json.member("input", balance.input)
                    json.member("output", balance.output)
                    json.member("local", balance.local)
                    json.name("as_of")
                    guard let asOf = balance.asOf else { return json.null() }
                    asOf.write(to: &json)
                }
            }
        }
    }
}

extension MergedBalances.AsOf {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("time", microseconds: time.microseconds)
            json.member("hub", hub.description)
            json.member("position", position)
        }
    }
}

extension SyncStatus {
    func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("agent", agent.description)
            json.member("connected", isConnected)
            json.member("session", phase.name)
            json.member("broker", broker)
            json.member("reason", ifPresent: reason)
            json.member("since", since)
            json.member("last_error", ifPresent: lastError)
            json.member("attempts", attempts)
            json.member("next_attempt_at", nextAttemptAt)
            json.member("breaker", breaker)
            json.member("stream", stream.description)
            json.member("head", head)
            json.member("acked", acknowledged)
            json.name("streams")
            json.array(of: streams) { json, stream in stream.write(to: &json) }
            json.name("backlog")
            json.object { json in
                json.member("count", backlog.count)
                json.member("bytes", backlog.bytes)
                json.member("oldest_at", backlog.oldest)
                let age = backlog.oldest.map {
                    Double(max(0, now.microseconds(since: $0))) / 1_000_000
                }
                json.member("oldest_age_seconds", age ?? 0)
            }
            json.member("last_ack_at", lastAckAt)
            json.name("storage")
            json.object { json in
                json.member("bytes", storage.bytes)
                json.member("free_bytes", storage.freeBytes)
                if let quota = storage.quotaBytes { json.member("quota_bytes", quota) }
                json.member("oldest_retained", oldestRetained)
            }
            json.member("now", microseconds: now.microseconds)
        }
    }
}

extension SyncStatus.Stream {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("stream", tag.description)
            json.member("state", state.rawValue)
            json.member("head", head.sequence)
            json.member("hash", head.hash.description)
            json.member("acked", acknowledged)
            json.member("oldest_retained", oldestRetained)
            guard let end else { return }
            json.name("ended")
            json.object { json in
                json.member("cause", end.cause.rawValue)
                json.member("detail", end.detail)
                json.member("at", microseconds: end.at.microseconds)
            }
        }
    }
}

extension OutboxSession.Phase {
    var name: String {
        switch self {
        case .offline: "offline"
        case .greeting: "greeting"
        case .streaming: "streaming"
        case .held: "held"
        case .ended: "ended"
        }
    }
}
