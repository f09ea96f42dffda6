import AgentCore
import LedgerCore
import SyncProtocol
import TestSupport

/// Between clients and agents, and between nodes and disks.
extension World {
    private static let hop: Int64 = 300

    func submit(_ request: Request, _ ticket: Ticket, toNode number: Int) {
        guard let agent = nodes[number] as? SimulatedAgent, agent.device.isRunning else {
            return after(World.hop, .client(ticket.client, .answered(ticket, .unavailable)))
        }
        agent.submit(request, ticket)
    }

    /// An agent answers. Whether or not it gets there, the oracle holds the agent to it.
    func answer(
        _ ticket: Ticket, _ answer: Answer, from agent: SimulatedAgent, to request: Request? = nil
    ) {
        guard !agent.device.isDoomed else { return }
        if case .recorded(let outcomes) = answer, let request {
            note { "    \(agent.id) answers \(Words.request(request)): \(Words.answer(answer))" }
            for outcome in outcomes { mark(outcome, isGroup: outcomes.count > 1) }
            if let (invariant, fault) = oracle.told(request, outcomes) {
                violate(invariant, fault)
            }
            for number in request.parts.map(\.number) {
                guard let place = oracle.asked[number].told else { continue }
                agent.disk.decay { $0.told[number] = place }
            }
        }
        if faults.strikes(.lostAnswer, ticket.client) != nil { return }
        after(World.hop, .client(ticket.client, .answered(ticket, answer)))
    }

    /// A transaction that no client asked for.
    func transactionOfNobody(
        folder: Int, _ random: inout SplitMix64
    ) -> (number: Int, transaction: Transaction) {
        do {
            let posting = Posting(
                source: random.pick(places.accounts), destination: random.pick(places.accounts),
                asset: random.pick(places.assets), amount: try Amount(1 + Int64(random.below(99))))
            let number = oracle.asked([posting], folder: folder)
            return (number, try Transaction(postings: [posting], reference: "t\(number)"))
        } catch { preconditionFailure("\(error)") }
    }

    private func mark(_ outcome: Outcome, isGroup: Bool) {
        switch outcome {
        case .accepted: mark(isGroup ? .acceptedTogether : .accepted)
        case .replayed: mark(.replayed)
        case .mismatched: mark(.mismatched)
        case .groupTooLarge: mark(.refused)
        }
    }

    /// A node's write is under way: how long it takes, and whether it becomes durable.
    ///
    /// - Parameter isLarge: whether it needs more than the reserve that is kept for when nothing else
    ///   is left.
    func beginWrite(_ number: Int, isLarge: Bool) {
        var random = dice.sequence(.disk, number, steps)
        var duration = random.between(plan.pace.writeMin, plan.pace.writeMax)
        if var how = faults.strikes(.slowWrite, number) {
            duration += how.logarithmic(10_000, 5 * Plan.second)
        }
        let isFull = nodes[number].device.isDiskFull && isLarge
        let fails = isFull || faults.strikes(.writeFailure, number) != nil
        if nodes[number].device.crashPoint == .duringWrite {
            after(random.between(0, duration - 1), number, .crashes(.duringWrite))
        }
        after(duration, number, .written(isDurable: !fails))
    }
}
