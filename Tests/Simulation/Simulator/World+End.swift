import AgentCore
import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport

/// What must hold when the faults have stopped, and in the end.
extension World {
    /// Looks for what still has to be done; nil where all is done.
    func look() -> String? {
        let aggregator = aggregator
        guard aggregator.device.isRunning, aggregator.device.transport.isUp else {
            return "the aggregator is not connected"
        }
        var first: String?
        for agent in agents {
            let number = agent.device.number
            if hasCopies(number), watch.settled.contains(number) { continue }
            if let rest = self.backlog(of: agent, aggregator) {
                first = first ?? "\(name(number)): \(rest)"
            } else if hasCopies(number) {
                watch.settled.insert(number)
                endTurn(number)
            }
        }
        let isIdle = aggregator.mailbox.isEmpty && aggregator.isIdle
        return first ?? (isIdle ? nil : "the aggregator has work")
    }

    private func backlog(of agent: SimulatedAgent, _ aggregator: SimulatedAggregator) -> String? {
        guard agent.device.isRunning, agent.device.transport.isUp else { return "not connected" }
        for client in clients where client.node == agent.device.number && !client.isIdle {
            return "client \(client.number) waits"
        }
        guard agent.work.isEmpty, agent.reports.isEmpty, !agent.isWriting,
            !agent.commits.isWaiting, agent.commits.ending == nil
        else { return "at work" }
        for stream in agent.outbox.streams {
            if let rest = self.backlog(of: stream, agent, aggregator) {
                return "\(stream.tag): \(rest)"
            }
        }
        let told = aggregator.hub.state.lastAddressed(to: agent.id)
        guard let hub = agent.contents.hubs.last, hub.tag == aggregator.hub.tag,
            hub.seen.position >= told
        else {
            return "hub event \(told) is not seen"
        }
        return missingBalances(agent, aggregator)
    }

    private func backlog(
        of stream: OutboxStream, _ agent: SimulatedAgent, _ aggregator: SimulatedAggregator
    ) -> String? {
        guard let own = agent.contents.stream(stream.tag) else { return "not on the disk" }
        let head = own.head.sequence
        if stream.tag == agent.contents.tag {
            guard case .streaming = stream.session.phase else { return "\(stream.session.phase)" }
        } else if head > 0 {
            guard stream.isOffered(to: agent.outbox.hub?.tag) else {
                return "not drained: \(stream.session.phase)"
            }
        }
        guard stream.session.head == own.head, stream.backlog == 0, own.acknowledged == head else {
            return "\(own.acknowledged) of \(head) acknowledged"
        }
        guard accounts(stream.tag, for: own.head) else { return "\(head) not merged" }
        guard stream.tag == agent.contents.tag, let last = own.segments.last else { return nil }
        let watermark = aggregator.contents.streams[stream.tag]?.record.watermark
        return watermark.map { $0 >= own.lastTime(of: last) } ?? false
            ? nil : "no watermark covers \(head)"
    }

    /// Whether the agent tells of its accounts what the merged ledger has of them.
    private func missingBalances(
        _ agent: SimulatedAgent, _ aggregator: SimulatedAggregator
    ) -> String? {
        guard plan.agentLimits.mergedBalancesMax >= 2 * places.count else { return nil }
        guard let folds = agent.commits.folds else { return "no folds" }
        var named: Set<Balances.AccountNumber> = []
        for stream in agent.contents.streams {
            var read: [Int] = []
            named.formUnion(aggregator.ledger.accounts(of: stream.tag, behind: &read))
        }
        // What only lost events had named it is not told of until somebody asks.
        for account in folds.own.accounts
        where aggregator.ledger.balances.number(of: account).map(named.contains) ?? false {
            let view = folds.merged.account(account, own: folds.own)
            for asset in places.assets {
                let sums = aggregator.ledger.balances.sums(of: account, in: asset)
                let balance = view?.balances.first { $0.asset == asset }
                guard balance?.input ?? 0 == sums.input, balance?.output ?? 0 == sums.output else {
                    return "\(account) \(asset) is not up to date"
                }
            }
        }
        return nil
    }

    /// Digests of all that the aggregator has.
    var outcome: StepDigest {
        var digest = StepDigest()
        for sealed in aggregator.contents.whole { digest.feed(sealed.hash.bytes) }
        let ledger = aggregator.ledger
        let state = aggregator.hub.state
        digest.feed(
            Digests.state(ledger.balances, ledger.counts, hub: state, ToyHasher()).bytes)
        return digest
    }

    // MARK: In the end

    func checkEnd() {
        let log = aggregator.contents.log
        let contents = aggregator.contents
        let reading = LedgerReading(log) {
            contents.names(
                of: $0.segment.header.stream, leadingTo: contents.dictionary(before: $0))
        }
        if let (invariant, detail) = reading.fault { violate(invariant, detail) }
        checkSums(reading)
        checkOracle(reading)
        checkHub(reading)
        checkOrder(log)
        checkRetained()
        checkCalm()
    }

    /// The fold against sums that other code made.
    private func checkSums(_ reading: LedgerReading) {
        let ledger = aggregator.ledger
        var totals: [String: (Int128, Int128)] = [:]
        for cell in ledger.balances.cells {
            let account = ledger.balances.address(of: cell.account)
            let asset = ledger.balances.asset(cell.asset)
            let flow = reading.flows[LedgerReading.key(account, asset)] ?? Flow()
            if flow.input != cell.input || flow.output != cell.output {
                violate(
                    .conservation,
                    "\(account) \(asset) has +\(cell.input) −\(cell.output), and its log \(flow)")
            }
            totals["\(asset)", default: (0, 0)].0 += cell.input
            totals["\(asset)", default: (0, 0)].1 += cell.output
        }
        if ledger.balances.cells.count != reading.flows.count {
            violate(.conservation, "the fold and the log have different accounts")
        }
        for (input, output) in totals.values where input != output {
            violate(.conservation, "\(input) went in and \(output) out")
        }
        if ledger.counts.events != reading.eventCount
            || ledger.counts.setAside != reading.withoutEffect
        {
            violate(
                .poisonStaysAlone, "\(ledger.counts), and the log has \(reading.eventCount) events")
        }
    }

    private func checkOracle(_ reading: LedgerReading) {
        var counts = [Int](repeating: 0, count: oracle.asked.count)
        // After a fork a place may have two events.
        var placed: [StreamPlace: [Int]] = [:]
        for read in reading.transactions {
            guard oracle.asked.indices.contains(read.number) else {
                violate(.nothingInvented, "\(read.place) was never asked for")
                continue
            }
            counts[read.number] += 1
            placed[read.place, default: []].append(read.number)
            if oracle.asked[read.number].postings != read.postings {
                violate(.nothingInvented, "\(read.place) is not what t\(read.number) asked for")
            }
        }
        var byKey: [Int: Int] = [:]
        for (number, asked) in oracle.asked.enumerated() {
            let isForgotten = oracle.isForgotten(number)
            for answer in asked.answers where placed[answer]?.contains(number) != true {
                guard !oracle.lost.contains(answer) else { continue }
                violate(.answeredIsKept, "t\(number) was answered as \(answer), which is not there")
            }
            if asked.isUnreadable, counts[number] > 0 {
                violate(.poisonStaysAlone, "t\(number) has an effect although it cannot be read")
            }
            guard counts[number] > 0, !isForgotten else { continue }
            if counts[number] > 1 {
                violate(.onceOnly, "t\(number) is there \(counts[number]) times")
            }
            guard let key = asked.key else { continue }
            if let other = byKey.updateValue(number, forKey: key) {
                violate(.onceOnly, "t\(number) and t\(other) are there under one key")
            }
        }
        for group in oracle.groups {
            let present = group.filter { counts[$0] > 0 }.count
            if present != 0, present != group.count, !oracle.isForgotten(group[0]) {
                violate(
                    .onceOnly,
                    "of the group of t\(group[0]), \(present) of \(group.count) are there")
            }
        }
    }

    /// The same segments in another order, each stream's in its own.
    private func checkOrder(_ log: [SealedSegment]) {
        var random = dice.sequence(.check)
        var queues: [StreamTag: [SealedSegment]] = [:]
        var order: [StreamTag] = []
        for sealed in log.reversed() {
            let tag = sealed.segment.header.stream
            if queues[tag] == nil { order.append(tag) }
            queues[tag, default: []].append(sealed)
        }
        var fold = HubFold(state: aggregator.hub.state)
        while !order.isEmpty {
            let place = random.below(order.count)
            guard let next = queues[order[place]]?.popLast() else {
                order.remove(at: place)
                continue
            }
            _ = fold.replay(next, aggregator.contents)
        }
        let merged = aggregator.ledger
        if Digests.state(fold.ledger.balances, fold.ledger.counts, ToyHasher())
            != Digests.state(merged.balances, merged.counts, ToyHasher())
        {
            violate(.foldOfAnyOrder, "another order of the same segments has another digest")
        }
    }

    /// Where nothing ever failed, a network delivers in order and in time, and the aggregator keeps up,
    /// a session begins with
    /// the connection, and with the aggregator's word that it came up, and lasts.
    private func checkCalm() {
        guard plan.present.isEmpty, plan.pace.isOrdered, plan.pace.latencyMax <= 50_000,
            plan.aggregatorLimits.messagesPerCommitMax > 1
        else { return }
        let greetings = marks[Int(Mark.helloSent.rawValue)]
        if greetings > 3 * agents.count {
            violate(.calm, "\(greetings) greetings of \(agents.count) agents")
        }
    }

    /// Whatever a disk still has is in the log.
    private func checkRetained() {
        for agent in agents {
            for stream in agent.contents.streams {
                for stored in stream.segments
                where !stored.isRotten && !aggregator.contents.holds(stream.tag, stored.end) {
                    violate(
                        .nothingDropped,
                        "\(agent.id) has \(stored.sealed.segment.header.sequences) of "
                            + "\(stream.tag), not merged")
                }
                if !accounts(stream.tag, for: stream.head) {
                    violate(
                        .lossIsSaid,
                        "\(agent.id) had \(stream.head.sequence) events of \(stream.tag)")
                }
            }
        }
    }
}
