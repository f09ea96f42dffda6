extension MarketDay {
    /// Walks through the day, minute by minute, holding no more than one minute's operations.
    package struct Iterator: IteratorProtocol, Sendable {
        private enum Phase {
            case opening
            case minute(Int)
            case closing
            case over
        }

        private var market: Market
        private var random: SplitMix64
        private let curve: ArrivalCurve
        private let tills: [Till]
        private let key: String
        private var phase = Phase.opening
        private var count = 0
        /// What happened and is not yet handed out, the earliest last.
        private var waiting: [Operation] = []

        init(day: MarketDay) {
            market = Market(day: day)
            random = SplitMix64(seed: day.seed)
            curve = ArrivalCurve(total: day.visits)
            tills = day.tills
            key = "market-\(day.seed)"
        }

        package mutating func next() -> Operation? {
            while waiting.isEmpty {
                switch phase {
                case .opening:
                    open()
                    phase = .minute(ArrivalCurve.minutes.lowerBound)
                case .minute(let minute):
                    pass(minute)
                    let next = minute + 1
                    phase = ArrivalCurve.minutes.contains(next) ? .minute(next) : .closing
                case .closing:
                    close()
                    phase = .over
                case .over:
                    return nil
                }
            }
            return waiting.popLast()
        }

        /// The hour before the market opens.
        private mutating func open() {
            let entries = market.opening(&random)
            record(entries, from: MarketDay.start, to: MarketDay.start + .seconds(3_600))
        }

        /// One minute of the open market: everyone who arrives in it, at a till and a moment of chance.
        private mutating func pass(_ minute: Int) {
            let arrivals = curve.arrivals(inMinute: minute)
            let moments = (0..<arrivals).map { _ in random.below(60_000_000) }.sorted()
            waiting = moments.map { moment in
                let till = random.below(tills.count)
                let entry = market.visit(till: till, &random)
                return number(entry, at: .seconds(minute * 60) + .microseconds(moment))
            }.reversed()
        }

        /// The half hour after it closes.
        private mutating func close() {
            record(market.closing(), from: MarketDay.end - .seconds(1_800), to: MarketDay.end)
        }

        /// Spreads entries evenly over a span of time.
        private mutating func record(_ entries: [Market.Entry], from: Duration, to: Duration) {
            let step = (to - from) / entries.count
            var at = from
            waiting = entries.map { entry in
                defer { at += step }
                return number(entry, at: at)
            }.reversed()
        }

        private mutating func number(_ entry: Market.Entry, at: Duration) -> Operation {
            count += 1
            return Operation(
                n: count, node: tills[entry.till].node, at: at, postings: entry.postings,
                reference: entry.reference, metadata: entry.metadata,
                idempotencyKey: "\(key)-\(count)")
        }
    }
}
