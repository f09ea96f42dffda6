import Foundation
import TextFormats

/// How times, spans and amounts are said to people.
enum Wording {
    /// `10:02:11.204`, with the date in front of it on another day than `day`.
    static func time(_ moment: Moment, sameDayAs day: Moment? = nil) -> String {
        let text = RFC3339.text(microseconds: moment.microseconds)
        let clock = String(text.dropFirst(11).prefix(12))
        let date = String(text.prefix(10))
        if let day, RFC3339.text(microseconds: day.microseconds).hasPrefix(date) { return clock }
        return day == nil ? clock : "\(date) \(clock)"
    }

    /// As ``time(_:sameDayAs:)``, with the date always.
    static func dayAndTime(_ moment: Moment) -> String {
        let text = RFC3339.text(microseconds: moment.microseconds)
        return "\(text.prefix(10)) \(time(moment))"
    }

    /// `4.1 s`, `3 min`, `2 h`, `4 d`: where one unit is enough.
    static func age(_ microseconds: Int64) -> String {
        switch microseconds {
        case ..<60_000_000: span(max(0, microseconds))
        case ..<3_600_000_000: "\(microseconds / 60_000_000) min"
        case ..<86_400_000_000: "\(microseconds / 3_600_000_000) h"
        default: "\(microseconds / 86_400_000_000) d"
        }
    }

    /// `2 ms`, `4.1 s`, `2 h 16 min`, `3 d 4 h`.
    static func span(_ microseconds: Int64) -> String {
        let value = abs(microseconds)
        let sign = microseconds < 0 ? "−" : ""
        switch value {
        case ..<1_000: return "\(sign)\(value) µs"
        case ..<1_000_000: return "\(sign)\(value / 1_000) ms"
        case ..<60_000_000: return sign + tenths(value, of: 1_000_000) + " s"
        case ..<3_600_000_000: return "\(sign)\(value / 60_000_000) min \(value / 1_000_000 % 60) s"
        case ..<86_400_000_000:
            return "\(sign)\(value / 3_600_000_000) h \(value / 60_000_000 % 60) min"
        default: return "\(sign)\(value / 86_400_000_000) d \(value / 3_600_000_000 % 24) h"
        }
    }

    private static func tenths(_ value: Int64, of unit: Int64) -> String {
        "\(value / unit).\(value * 10 / unit % 10)"
    }

    /// `12.50 EUR` for 1250 of `EUR/2`.
    static func amount(_ units: String, _ asset: String) -> String {
        let parts = asset.split(separator: "/")
        let code = parts.first.map(String.init) ?? asset
        guard parts.count == 2, let scale = Int(parts[1]), scale > 0 else {
            return "\(units) \(code)"
        }
        let digits = String(repeating: "0", count: max(0, scale + 1 - units.count)) + units
        return "\(digits.dropLast(scale)).\(digits.suffix(scale)) \(code)"
    }

    /// `1,207`
    static func count(_ number: UInt64) -> String {
        var digits = Array(String(number))
        var place = digits.count - 3
        while place > 0 {
            digits.insert(",", at: place)
            place -= 3
        }
        return String(digits)
    }

    /// `1 transaction`, `2 transactions`
    static func count(_ number: UInt64, _ noun: String) -> String {
        "\(count(number)) \(noun)\(number == 1 ? "" : "s")"
    }
}

extension TransactionAnswer.Posting {
    /// `12.50 EUR  customers:1001 → stores:042:sales`
    var sentence: String {
        "\(Wording.amount(amount.text, asset))  \(source) → \(destination)"
    }
}
