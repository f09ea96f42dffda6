import AggregatorCore
import LedgerCore
import SyncProtocol
import TestSupport

/// What must hold when the faults have stopped, and in the end.
extension World {
    /// What still has to be done; nil where all is done.
    var backlog: String? {
        for client in clients where !client.isIdle { return "client \(client.number) waits" }
        let aggregator = aggregator
        guard aggregator.device.isRunning, aggregator.device.transport.isUp else {
            return "the aggregator is not connected"
        }
        guard aggregator.mailbox.isEmpty, !aggregator.isWriting, aggregator.pending.isEmpty else {
            return "the aggregator has work"
        }
        for agent in agents {
            if let rest = backlog(of: agent, aggregator) { return "\(agent.id): \(rest)" }
        }
        return nil
    }

    private func backlog(of agent: SimulatedAgent, _ aggregator: SimulatedAggregator) -> String? {
        let contents = agent.contents
        guard agent.device.isRunning, agent.device.transport.isUp else { return "not connected" }
        guard agent.work.isEmpty, agent.reports.isEmpty, !agent.isWriting else { return "at work" }
        guard case .streaming = agent.session.phase else { return "\(agent.session.phase)" }
        let head = contents.head.sequence
        guard agent.head.sequence == head, agent.acknowledged.sequence == head,
            contents.acknowledged == head
        else { return "\(agent.acknowledged.sequence) of \(head) acknowledged" }
        guard let known = aggregator.contents.streams[contents.tag],
            known.furthest == contents.head
        else {
            return "\(head) not merged"
        }
        let last = contents.segments.last.map { agent.lastTime(of: $0.segment) }
        if let last, known.record.watermark < last { return "no watermark covers \(head)" }
        return missingBalances(agent, aggregator)
    }

    /// Whether the agent tells of its accounts what the merged ledger has of them.
    private func missingBalances(
        _ agent: SimulatedAgent, _ aggregator: SimulatedAggregator
    ) -> String? {
        guard plan.agentLimits.mergedBalancesMax >= 2 * places.count else { return nil }
        let own = agent.admission.balances
        for account in own.accounts {
            let view = agent.merged.account(account, own: own)
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
        for sealed in aggregator.contents.log { digest.feed(sealed.hash.bytes) }
        let ledger = aggregator.ledger
        digest.feed(Digests.state(ledger.balances, ledger.counts, ToyHasher()).bytes)
        return digest
    }

    // MARK: In the end

    func checkEnd() {
        let log = aggregator.contents.log
        let reading = LedgerReading(log)
        if let (invariant, detail) = reading.fault { violate(invariant, detail) }
        checkSums(reading)
        checkOracle(reading)
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
        var placed: [StreamPlace: Int] = [:]
        for read in reading.transactions {
            guard oracle.asked.indices.contains(read.number) else {
                violate(.nothingInvented, "\(read.place) was never asked for")
                continue
            }
            counts[read.number] += 1
            placed[read.place] = read.number
            if oracle.asked[read.number].postings != read.postings {
                violate(.nothingInvented, "\(read.place) is not what t\(read.number) asked for")
            }
        }
        var byKey: [Int: Int] = [:]
        for (number, asked) in oracle.asked.enumerated() {
            let isForgotten = oracle.isForgotten(number)
            if let told = asked.told, !asked.isLost, !isForgotten, placed[told] != number {
                violate(.answeredIsKept, "t\(number) was answered as \(told), which is not there")
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
        var ledger = GlobalLedger()
        while !order.isEmpty {
            let place = random.below(order.count)
            guard let next = queues[order[place]]?.popLast() else {
                order.remove(at: place)
                continue
            }
            aggregator.contents.merge(next, into: &ledger)
        }
        let merged = aggregator.ledger
        if Digests.state(ledger.balances, ledger.counts, ToyHasher())
            != Digests.state(merged.balances, merged.counts, ToyHasher())
        {
            violate(.foldOfAnyOrder, "another order of the same segments has another digest")
        }
    }

    /// Where nothing ever failed, and a network delivers in order and in time, a session begins with
    /// the connection, and with the aggregator's word that it came up, and lasts.
    private func checkCalm() {
        guard plan.present.isEmpty, plan.pace.isOrdered, plan.pace.latencyMax <= 50_000 else {
            return
        }
        let greetings = marks[Int(Mark.helloSent.rawValue)]
        if greetings > 3 * agents.count {
            violate(.calm, "\(greetings) greetings of \(agents.count) agents")
        }
    }

    private func checkRetained() {
        for agent in agents {
            if !aggregator.contents.holds(agent.contents.tag, agent.contents.head) {
                violate(
                    .nothingDropped,
                    "\(agent.id) has \(agent.contents.head.sequence) events, which are not merged")
            }
        }
    }
}
