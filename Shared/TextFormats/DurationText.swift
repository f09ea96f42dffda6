/// Durations as people and protocols write them.
package enum DurationText {
    /// A duration of a configuration file: `250ms`, `30s`, `5m`, `12h`, `7d`, or several of them,
    /// largest first: `1h30m`.
    ///
    /// A unit is required, because a bare `30` means seconds to one reader and milliseconds to
    /// another. Only whole numbers.
    ///
    /// - Returns: nil if the text is anything else, or longer than 2^63 microseconds.
    package static func duration(_ text: String) -> Duration? {
        var rest = text[...]
        var microseconds: Int64 = 0
        var smallest = Int64.max
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            guard let count = takeNumber(&rest), let unit = takeUnit(&rest), unit < smallest else {
                return nil
            }
            smallest = unit
            guard add(count, times: unit, to: &microseconds) else { return nil }
        }
        return .microseconds(microseconds)
    }

    /// The shortest text that ``duration(_:)`` reads as this duration, cut to microseconds.
    package static func text(_ duration: Duration) -> String {
        let parts = duration.components
        var rest = parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
        guard rest > 0 else { return rest == 0 ? "0s" : "-" + text(.zero - duration) }
        var text = ""
        for (name, unit) in units where rest >= unit {
            text += "\(rest / unit)\(name)"
            rest %= unit
        }
        return text
    }

    /// A duration of an API: ISO 8601 with days, hours, minutes and seconds, `PT15M` or `P1DT12H`.
    /// Years and months have no fixed length and are refused; seconds may have up to six decimals;
    /// a week (`P2W`) stands alone.
    package static func duration(iso8601 text: String) -> Duration? {
        var rest = text[...]
        guard rest.popFirst() == "P", !rest.isEmpty else { return nil }
        var microseconds: Int64 = 0
        if rest.last == "W" {
            guard let weeks = takeNumber(&rest), rest == "W",
                add(weeks, times: 604_800_000_000, to: &microseconds)
            else { return nil }
            return .microseconds(microseconds)
        }
        if rest.first != "T" {
            guard let days = takeNumber(&rest), rest.popFirst() == "D",
                add(days, times: 86_400_000_000, to: &microseconds)
            else { return nil }
        }
        guard !rest.isEmpty else { return .microseconds(microseconds) }
        guard rest.popFirst() == "T", takeTime(rest, &microseconds) else { return nil }
        return .microseconds(microseconds)
    }
}

extension DurationText {
    private static let units: [(name: String, microseconds: Int64)] = [
        ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000),
        ("ms", 1_000), ("us", 1),
    ]

    private static func takeNumber(_ rest: inout Substring) -> Int64? {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(digits.count)
        return Int64(digits)
    }

    private static func takeUnit(_ rest: inout Substring) -> Int64? {
        let name = rest.prefix { !($0.isASCII && $0.isNumber) }
        rest = rest.dropFirst(name.count)
        return units.first { $0.name == name }?.microseconds
    }

    private static func add(_ count: Int64, times unit: Int64, to total: inout Int64) -> Bool {
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        let (sum, overflow2) = total.addingReportingOverflow(product)
        total = sum
        return !overflow && !overflow2
    }

    /// What follows the `T`: hours, minutes and seconds, each at most once, in this order, at least
    /// one.
    private static func takeTime(_ text: Substring, _ microseconds: inout Int64) -> Bool {
        var rest = text
        var smallest = Int64.max
        guard !rest.isEmpty else { return false }
        while !rest.isEmpty {
            guard let count = takeNumber(&rest) else { return false }
            var fraction: Int64 = 0
            if rest.first == "." {
                let digits = rest.dropFirst().prefix { $0.isASCII && $0.isNumber }
                guard (1...6).contains(digits.count), rest.dropFirst(1 + digits.count) == "S",
                    let value = Int64(digits + String(repeating: "0", count: 6 - digits.count))
                else { return false }
                fraction = value
                rest = "S"
            }
            let designators: [Character: Int64] = [
                "H": 3_600_000_000, "M": 60_000_000, "S": 1_000_000,
            ]
            guard let designator = rest.popFirst(), let unit = designators[designator],
                unit < smallest
            else { return false }
            smallest = unit
            guard add(count, times: unit, to: &microseconds),
                add(fraction, times: 1, to: &microseconds)
            else { return false }
        }
        return true
    }
}
