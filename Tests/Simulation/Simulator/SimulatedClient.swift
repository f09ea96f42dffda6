import AgentCore
import LedgerCore
import TestSupport

/// A client of one agent: thinks, asks, waits, and asks again where no answer comes and its request
/// has a key.
final class SimulatedClient {
    private static let attemptsMax = 6
    private static let patience: Int64 = 3_000_000
    /// Requests that it may come back to.
    private static let remembered = 12

    private unowned let world: World
    let number: Int
    /// The node of its agent.
    let node: Int
    private var random: SplitMix64
    private var request: Request?
    private var ticket: Ticket
    private var isThinking = false
    private var generation = 0
    /// Finished ones with keys, and when they were.
    private var past: [(request: Request, at: Int64)] = []
    /// It begins nothing new.
    private var isFinishing = false

    init(_ world: World, number: Int, node: Int) {
        self.world = world
        self.number = number
        self.node = node
        random = world.dice.sequence(.client, number)
        ticket = Ticket(client: number, request: 0, attempt: 0)
    }

    /// Nobody owes it an answer.
    var isIdle: Bool { request == nil }

    func begin() {
        think()
    }

    func finish() {
        isFinishing = true
    }

    private func think() {
        generation += 1
        var pause = random.between(0, world.plan.pace.thinkMax)
        // Outside of the hours of work, it waits for the next morning.
        if !world.plan.windows.contains(where: { $0.start <= world.now && world.now < $0.end }) {
            guard let next = world.plan.windows.first(where: { $0.start > world.now }) else {
                return
            }
            pause += next.start - world.now
        }
        world.after(pause, .client(number, .thinks(generation: generation)))
    }

    func handle(_ event: ClientEvent) {
        switch event {
        case .thinks(let generation):
            guard generation == self.generation, request == nil, !isFinishing else { return }
            let request = makeRequest()
            self.request = request
            ticket = Ticket(client: number, request: ticket.request + 1, attempt: 1)
            ask(request)
        case .answered(let ticket, let answer):
            guard ticket == self.ticket, let request else { return }
            world.note { "client \(self.number) gets \(Words.answer(answer))" }
            if case .unavailable = answer {
                world.mark(.refused)
                return askAgainLater(request)
            }
            finished(request)
        case .patienceEnds(let ticket):
            guard ticket == self.ticket, let request else { return }
            world.mark(.unanswered)
            askAgain(request)
        }
    }

    private func ask(_ request: Request) {
        world.note {
            "client \(self.number) asks \(self.world.name(self.node)): \(Words.request(request))"
        }
        world.after(SimulatedClient.patience, .client(number, .patienceEnds(ticket)))
        world.submit(request, ticket, toNode: node)
    }

    private func askAgainLater(_ request: Request) {
        let pause = random.between(100_000, 2_000_000)
        ticket = Ticket(client: number, request: ticket.request, attempt: ticket.attempt + 1)
        world.after(pause, .client(number, .patienceEnds(ticket)))
    }

    private func askAgain(_ request: Request) {
        let isPatient = isFinishing || ticket.attempt < SimulatedClient.attemptsMax
        guard request.isRepeatable, isPatient else {
            world.mark(.gaveUp)
            return finished(request)
        }
        ticket = Ticket(client: number, request: ticket.request, attempt: ticket.attempt + 1)
        ask(request)
    }

    private func finished(_ request: Request) {
        if request.isRepeatable, !request.parts.isEmpty {
            past.append((request, world.now))
            if past.count > SimulatedClient.remembered { past.removeFirst() }
        }
        self.request = nil
        think()
    }

    // MARK: What it asks for

    private func makeRequest() -> Request {
        // Only what its agent still knows the key of.
        past.removeAll { world.now - $0.at > world.plan.retention.keys / 2 }
        if !past.isEmpty, random.oneIn(12) { return random.pick(past).request }
        if !past.isEmpty, var how = world.faults.strikes(.changedRepeat, number) {
            return changed(past[how.below(past.count)].request, &how)
        }
        switch random.below(20) {
        case 0..<4: return read()
        case 4: return batch(1, hasKeys: false)
        case 5, 6: return batch(2 + random.below(4), hasKeys: true)
        case 7, 8: return group(1 + random.below(6))
        case 9: return batch(40, hasKeys: true)
        default: return batch(1, hasKeys: true)
        }
    }

    private func read() -> Request {
        let places = world.places
        let account = random.oneIn(8) ? Places.untouched : random.pick(places.accounts)
        return Request(kind: .read(account), parts: [], isRepeatable: true)
    }

    private func batch(_ count: Int, hasKeys: Bool) -> Request {
        let parts = (0..<count).map { _ in part(hasKey: hasKeys) }
        return Request(kind: .batch, parts: parts, isRepeatable: hasKeys)
    }

    private func group(_ count: Int) -> Request {
        let parts = (0..<count).map { part(hasKey: $0 == 0) }
        world.oracle.group(parts.map(\.number))
        return Request(kind: .group, parts: parts, isRepeatable: true)
    }

    private func part(hasKey: Bool) -> Request.Part {
        let postings = (0..<(random.oneIn(4) ? 2 : 1)).map { _ in posting() }
        let number = world.oracle.asked(postings, folder: node)
        let key = hasKey ? "k\(number)" : nil
        if hasKey { world.oracle.keyed(number, key: number) }
        let form = RequestForm(postings: postings, reference: .value("t\(number)"))
        return Request.Part(number: number, form: form, key: key)
    }

    /// Another request under the keys of an earlier one.
    private func changed(_ request: Request, _ random: inout SplitMix64) -> Request {
        let parts = request.parts.map { old in
            let postings = [posting()]
            let number = world.oracle.asked(postings, folder: node)
            if let key = old.key.flatMap({ Int($0.dropFirst()) }) {
                world.oracle.keyed(number, key: key)
            }
            let form = RequestForm(postings: postings, reference: .value("t\(number)"))
            return Request.Part(number: number, form: form, key: old.key)
        }
        if case .group = request.kind { world.oracle.group(parts.map(\.number)) }
        return Request(kind: request.kind, parts: parts, isRepeatable: true)
    }

    private func posting() -> Posting {
        let places = world.places
        let units = random.oneIn(100) ? Int64.max / 4 : 1 + Int64(random.below(1000))
        guard let amount = try? Amount(units) else { preconditionFailure("\(units) is an amount") }
        return Posting(
            source: random.pick(places.accounts), destination: random.pick(places.accounts),
            asset: random.pick(places.assets), amount: amount)
    }
}
