import AgentCore
import LedgerCore

/// Where an event stands.
struct StreamPlace: Hashable, Sendable, CustomStringConvertible {
    let stream: StreamTag
    let sequence: UInt64

    var description: String { "\(stream).\(sequence)" }
}

extension StreamPlace {
    init(_ place: EventPlace) {
        self.init(stream: place.stream, sequence: place.sequence)
    }
}

/// What went in and out of an account in one asset.
struct Flow: Hashable, Sendable {
    var input: Int128 = 0
    var output: Int128 = 0
}

/// What clients asked for and what they were told, in its own plain bookkeeping: no code of the cores
/// takes part in it but the names of their values.
///
/// It is told of an answer when the agent hands it out, whether or not it reaches the client: what an
/// agent has answered must hold.
struct Oracle {
    /// A transaction that somebody asked for.
    struct Asked {
        /// The data folder that was asked, by its node.
        let folder: Int
        let postings: [Posting]
        var key: Int?
        var group: Int?
        /// Where it stands, as its folder knows.
        var told: StreamPlace?
        /// All places that were ever answered: a folder that was exchanged may have recorded it again.
        var answers: [StreamPlace] = []
        /// It stands in the log in a form that nobody can read.
        var isUnreadable = false
    }

    /// What an idempotency key has done, as far as somebody was told.
    private struct Effect {
        let number: Int
        let place: StreamPlace
    }

    private(set) var asked: [Asked] = []
    private(set) var groups: [[Int]] = []
    private var effects: [Int: Effect] = [:]
    /// Keys whose folder has forgotten them with its disk.
    private var forgottenKeys: Set<Int> = []
    /// Events whose last copy was on a disk that is lost.
    private(set) var lost: Set<StreamPlace> = []
    /// Everything that anybody asked for.
    private var all: [Flow] = []
    /// By folder: what it has answered for, and what it has shown.
    private var own: [Int: [Flow]] = [:]
    /// By folder, whose flows these are.
    private var counted: [Int: Set<Int>] = [:]
    /// By folder, what it shows of its own until it hears that it is lost.
    private var robbed: [Int: [Flow]] = [:]
    private var numbers: [StreamPlace: [Int]] = [:]
    private var shown: [Int: [Flow]] = [:]
    /// By folder and account, by whose word.
    private var shownBy: [Int: [StreamTag?]] = [:]
    private var places = Places.market

    // MARK: Asking

    /// - Returns: the transaction's number.
    mutating func asked(_ postings: [Posting], folder: Int) -> Int {
        asked.append(Asked(folder: folder, postings: postings))
        if all.isEmpty { all = [Flow](repeating: Flow(), count: places.count) }
        add(postings, to: &all)
        return asked.count - 1
    }

    mutating func keyed(_ number: Int, key: Int) {
        asked[number].key = key
    }

    mutating func group(_ numbers: [Int]) {
        for number in numbers { asked[number].group = groups.count }
        groups.append(numbers)
    }

    private func add(_ postings: [Posting], to flows: inout [Flow]) {
        for posting in postings {
            if let from = places.index(posting.source, posting.asset) {
                flows[from].output += Int128(posting.amount.units)
            }
            if let to = places.index(posting.destination, posting.asset) {
                flows[to].input += Int128(posting.amount.units)
            }
        }
    }

    /// An event of it was written so that nobody can read it.
    mutating func unreadable(_ number: Int) {
        asked[number].isUnreadable = true
    }

    /// It is durable at its agent, without that anybody asked.
    mutating func written(_ number: Int, _ place: StreamPlace) {
        keep(number, place)
    }

    // MARK: Answers

    /// The agent says what came of a request.
    ///
    /// - Returns: what is wrong with that; nil for nothing.
    mutating func told(_ request: Request, _ outcomes: [Outcome]) -> (Invariant, String)? {
        if case .group = request.kind, outcomes.count == 1, request.parts.count > 1 {
            return toldOfGroup(request, outcomes[0])
        }
        guard outcomes.count == request.parts.count else {
            return (.repeatsAgree, "\(outcomes.count) outcomes of \(request.parts.count) parts")
        }
        for (part, outcome) in zip(request.parts, outcomes) {
            if let fault = told(part.number, outcome) { return fault }
        }
        return nil
    }

    private mutating func toldOfGroup(
        _ request: Request, _ outcome: Outcome
    ) -> (Invariant, String)? {
        guard case .replayed(let first) = outcome else {
            return told(request.parts[0].number, outcome)
        }
        for (offset, part) in request.parts.enumerated() {
            let place = EventPlace(
                stream: first.stream, sequence: first.sequence + UInt64(offset))
            if let fault = told(part.number, .replayed(place)) { return fault }
        }
        return nil
    }

    private mutating func told(_ number: Int, _ outcome: Outcome) -> (Invariant, String)? {
        let known = asked[number].key.flatMap { effects[$0] }
        switch outcome {
        case .accepted(let event, _):
            let place = StreamPlace(event)
            if let known {
                return (
                    .onceOnly,
                    "t\(number) is accepted as \(place), and t\(known.number) was as \(known.place)"
                )
            }
            if let told = asked[number].told, asked[number].key != nil {
                return (.onceOnly, "t\(number) is accepted as \(place), and was as \(told)")
            }
            keep(number, place)
        case .replayed(let event):
            let place = StreamPlace(event)
            if let known, known.number != number || known.place != place {
                return (
                    .repeatsAgree,
                    "t\(number) is \(place) now, and t\(known.number) was \(known.place)"
                )
            }
            if let told = asked[number].told, told != place {
                return (.repeatsAgree, "t\(number) is \(place) now, and was \(told)")
            }
            if asked[number].told != place { keep(number, place) }
        case .mismatched(let event):
            guard let known else { return nil }
            if known.number == number || known.place != StreamPlace(event) {
                return (
                    .repeatsAgree,
                    "t\(number) is refused for \(StreamPlace(event)), and t\(known.number) was \(known.place)"
                )
            }
        case .groupTooLarge: break
        }
        return nil
    }

    private mutating func keep(_ number: Int, _ place: StreamPlace) {
        asked[number].told = place
        asked[number].answers.append(place)
        numbers[place, default: []].append(number)
        counted[asked[number].folder, default: []].insert(number)
        if let key = asked[number].key { effects[key] = Effect(number: number, place: place) }
        let folder = asked[number].folder
        var flows = own[folder] ?? emptyFlows
        add(asked[number].postings, to: &flows)
        own[folder] = flows
    }

    private var emptyFlows: [Flow] { [Flow](repeating: Flow(), count: places.count) }

    /// Whether its folder has forgotten that it was asked for this before: then asking again does it
    /// again.
    func isForgotten(_ number: Int) -> Bool {
        let first = asked[number].group.map { groups[$0][0] } ?? number
        return asked[first].key.map { forgottenKeys.contains($0) } ?? false
    }

    // MARK: Reads

    /// An agent tells of an account.
    ///
    /// - Parameter formerHubs: streams of the hub of which a disk was exchanged: what it shows after
    ///   that may lie behind what it showed before, until another stream says so.
    mutating func read(
        _ account: AccountAddress, _ view: AccountView?, folder: Int, formerHubs: Set<StreamTag>
    ) -> (Invariant, String)? {
        var before = shown[folder] ?? emptyFlows
        var hubs = shownBy[folder] ?? [StreamTag?](repeating: nil, count: places.count)
        let own = own[folder] ?? emptyFlows
        for asset in places.assets {
            guard let index = places.index(account, asset) else { continue }
            let balance = view?.balances.first { $0.asset == asset }
            let flow = Flow(input: balance?.input ?? 0, output: balance?.output ?? 0)
            let what = "node \(folder) shows \(account) \(asset) as +\(flow.input) −\(flow.output)"
            if flow.input < own[index].input || flow.output < own[index].output {
                return (.ownWrites, "\(what), less than its own writes: \(own[index])")
            }
            let hub = balance?.asOf?.hub
            let isAnotherWord = hub != hubs[index] || hub.map(formerHubs.contains) ?? false
            let gone = robbed[folder]?[index] ?? Flow()
            if !isAnotherWord || hubs[index] == nil,
                flow.input + gone.input < before[index].input
                    || flow.output + gone.output < before[index].output
            {
                return (.noReadGoesBack, "\(what), and it was \(before[index])")
            }
            if forgottenKeys.isEmpty, !all.isEmpty,
                flow.input > all[index].input || flow.output > all[index].output
            {
                return (.readsAreTrue, "\(what), more than anybody asked for: \(all[index])")
            }
            before[index] = flow
            hubs[index] = hub
        }
        shown[folder] = before
        shownBy[folder] = hubs
        return nil
    }

    // MARK: Losses

    /// A folder's disk was exchanged for another: with the rest went what it knew of keys, and what its
    /// clients had seen there.
    ///
    /// - Parameter place: where the transaction stands, as far as the other disk has what was told.
    mutating func exchange(folder: Int, place: (Int) -> StreamPlace?) {
        shown[folder] = nil
        var flows = emptyFlows
        counted[folder] = []
        for number in asked.indices where asked[number].folder == folder {
            let kept = place(number)
            if let kept, !lost.contains(kept) {
                add(asked[number].postings, to: &flows)
                counted[folder, default: []].insert(number)
            }
            // What nobody was told of may have stood on the disk all the same.
            guard kept != asked[number].told || kept == nil else { continue }
            asked[number].told = kept
            guard let key = asked[number].key else { continue }
            forgottenKeys.insert(key)
            if let kept {
                effects[key] = Effect(number: number, place: kept)
            } else if effects[key]?.number == number {
                effects[key] = nil
            }
        }
        own[folder] = flows
    }

    /// A copy of a folder begins to be used: it has what the folder has.
    mutating func copy(to folder: Int, place: (Int) -> StreamPlace?) {
        var flows = emptyFlows
        for (number, asked) in asked.enumerated() {
            guard let kept = place(number), !lost.contains(kept) else { continue }
            add(asked.postings, to: &flows)
            counted[folder, default: []].insert(number)
        }
        own[folder] = flows
    }

    /// Nobody has the event any more: also its own agent will show the account without it, once it is
    /// said to be lost.
    mutating func lost(_ place: StreamPlace) {
        guard lost.insert(place).inserted else { return }
        discount(place)
    }

    /// The aggregator has said of these that they are lost. Somebody's disk may have them still, and
    /// until it brings them, accounts are shown without them.
    mutating func givenUp(_ sequences: ClosedRange<UInt64>, of stream: StreamTag) {
        for sequence in sequences { discount(StreamPlace(stream: stream, sequence: sequence)) }
    }

    private mutating func discount(_ place: StreamPlace) {
        for number in numbers[place] ?? [] where asked[number].told == place {
            for folder in counted.keys where counted[folder]?.remove(number) != nil {
                var gone = robbed[folder] ?? emptyFlows
                add(asked[number].postings, to: &gone)
                robbed[folder] = gone
                take(asked[number].postings, from: &own[folder])
                take(asked[number].postings, from: &shown[folder])
            }
        }
    }

    private func take(_ postings: [Posting], from flows: inout [Flow]?) {
        guard let before = flows else { return }
        var taken = emptyFlows
        add(postings, to: &taken)
        flows = zip(before, taken).map {
            Flow(input: $0.input - $1.input, output: $0.output - $1.output)
        }
    }
}
