/// When customers come: few at dawn, a crowd before noon, a lull after lunch, a second crowd after work.
///
/// Whole numbers only, so that the curve is the same on every machine.
struct ArrivalCurve: Sendable {
    /// The minutes of the day in which the market is open, from 06:30 to 18:30.
    static let minutes = (6 * 60 + 30)..<(18 * 60 + 30)

    /// The relative density at chosen minutes of the day; between them it is a straight line.
    private static let shape: [(minute: Int, density: Int)] = [
        (6 * 60 + 30, 10), (8 * 60, 55), (10 * 60 + 45, 120), (12 * 60 + 15, 90),
        (14 * 60 + 30, 35), (17 * 60, 100), (18 * 60 + 30, 8),
    ]

    /// How many arrivals there are in all.
    let total: Int
    /// The density summed up to the start of each minute, with the whole at the end.
    private let cumulative: [Int]

    init(total: Int) {
        precondition(total >= 0, "\(total) customers cannot come")
        self.total = total
        var sum = 0
        var cumulative = [0]
        for minute in Self.minutes {
            sum += Self.density(at: minute)
            cumulative.append(sum)
        }
        self.cumulative = cumulative
    }

    /// The arrivals within one minute. The minutes of a day add up to `total` exactly, because each
    /// takes the difference of two rounded sums and not a rounded share of its own.
    func arrivals(inMinute minute: Int) -> Int {
        let index = minute - Self.minutes.lowerBound
        return rounded(cumulative[index + 1]) - rounded(cumulative[index])
    }

    private func rounded(_ part: Int) -> Int {
        total * part / cumulative[cumulative.count - 1]
    }

    private static func density(at minute: Int) -> Int {
        for (start, end) in zip(shape, shape.dropFirst()) where minute < end.minute {
            let passed = minute - start.minute
            let length = end.minute - start.minute
            return start.density + (end.density - start.density) * passed / length
        }
        return 0
    }
}
