/// Times as text: RFC 3339, in microseconds since 1970-01-01T00:00:00Z, without leap seconds, as
/// POSIX counts.
///
/// Pure arithmetic on the proleptic Gregorian calendar, after "chrono-Compatible Low-Level Date
/// Algorithms" (Hinnant): a day is counted from the first of March of an era of 400 years, so that
/// the leap day is the last of its year.
package enum RFC3339 {
    /// The years 0000 to 9999, all that RFC 3339 can write.
    package static let microsecondsRange: ClosedRange<Int64> =
        -62_167_219_200_000_000...253_402_300_799_999_999

    private static let secondsPerDay: Int64 = 86_400
    private static let microsecondsPerDay: Int64 = 86_400_000_000

    /// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        let quotient = value / divisor
        return value % divisor < 0 ? quotient - 1 : quotient
    }

    private static func daysInMonth(year: Int64, month: Int64) -> Int64 {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }
}

// MARK: Formatting

extension RFC3339 {
    /// `2026-11-20T10:00:00.000000Z`: always UTC, always six decimals, so that the texts sort as
    /// the times do.
    ///
    /// Any value has a text, because a time may come from a device whose clock is wrong: outside
    /// the years 0000 to 9999 it is that of ISO 8601's expanded representation (`+10000-01-01T…`),
    /// which ``microseconds(_:)`` does not take.
    package static func text(microseconds: Int64) -> String {
        guard microsecondsRange.contains(microseconds) else { return expandedText(microseconds) }
        return String(unsafeUninitializedCapacity: count) { buffer in
            write(microseconds: microseconds, to: UnsafeMutableRawBufferPointer(buffer))
            return count
        }
    }

    /// How many bytes ``write(microseconds:to:)`` writes.
    static let count = 27

    /// Writes the text of a time within ``microsecondsRange``.
    static func write(microseconds: Int64, to bytes: UnsafeMutableRawBufferPointer) {
        precondition(bytes.count >= count && microsecondsRange.contains(microseconds))
        let days = floorDivide(microseconds, microsecondsPerDay)
        write(days: days, microsecondOfDay: microseconds - days * microsecondsPerDay, to: bytes)
    }

    private static func write(
        days: Int64, microsecondOfDay: Int64, to bytes: UnsafeMutableRawBufferPointer
    ) {
        let date = date(days: days)
        let secondOfDay = microsecondOfDay / 1_000_000
        put(date.year, digits: 4, at: 0, "-", in: bytes)
        put(date.month, digits: 2, at: 5, "-", in: bytes)
        put(date.day, digits: 2, at: 8, "T", in: bytes)
        put(secondOfDay / 3_600, digits: 2, at: 11, ":", in: bytes)
        put(secondOfDay / 60 % 60, digits: 2, at: 14, ":", in: bytes)
        put(secondOfDay % 60, digits: 2, at: 17, ".", in: bytes)
        put(microsecondOfDay % 1_000_000, digits: 6, at: 20, "Z", in: bytes)
    }

    @inline(__always)
    private static func put(
        _ value: Int64, digits: Int, at offset: Int, _ end: Unicode.Scalar,
        in bytes: UnsafeMutableRawBufferPointer
    ) {
        var rest = UInt32(truncatingIfNeeded: value)
        var index = offset + digits
        bytes[index] = UInt8(ascii: end)
        while index > offset {
            index -= 1
            bytes[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    private static func expandedText(_ microseconds: Int64) -> String {
        let days = floorDivide(microseconds, microsecondsPerDay)
        let year = date(days: days).year
        // The calendar repeats every 400 years: write the same day of such a year that four digits
        // can hold.
        let within = days - (floorDivide(year, 400) - 5) * 146_097
        // A day that begins before the smallest Int64 has a remainder that still fits.
        let microsecondOfDay = microseconds &- days &* microsecondsPerDay
        let text = String(unsafeUninitializedCapacity: count) { buffer in
            write(
                days: within, microsecondOfDay: microsecondOfDay,
                to: UnsafeMutableRawBufferPointer(buffer))
            return count
        }
        let digits = String(year.magnitude)
        let padding = String(repeating: "0", count: max(0, 5 - digits.count))
        return (year < 0 ? "-" : "+") + padding + digits + text.dropFirst(4)
    }
}

// MARK: Parsing

extension RFC3339 {
    /// The microseconds since 1970 of a text such as `2026-11-20T10:00:00Z` or
    /// `2026-11-20T11:00:00.25+01:00`.
    ///
    /// Strict: capital `T` and `Z`; an offset is required; one to nine decimals, of which those
    /// beyond the microsecond are cut off; no leap second (`:60`), which this count has no number
    /// for.
    ///
    /// - Returns: nil if the text is anything else, or a date that does not exist.
    package static func microseconds(_ text: String) -> Int64? {
        var text = text
        return text.withUTF8 { microseconds(utf8: $0) }
    }

    package static func microseconds(_ text: Span<UInt8>) -> Int64? {
        text.withUnsafeBufferPointer { microseconds(utf8: $0) }
    }

    private static func microseconds(utf8: UnsafeBufferPointer<UInt8>) -> Int64? {
        var scanner = Scanner(bytes: utf8)
        guard let days = scanner.date(), scanner.pass("T"), let seconds = scanner.secondOfDay(),
            let fraction = scanner.fraction(), let offset = scanner.offset(), scanner.isAtEnd
        else { return nil }
        let result = (days * secondsPerDay + seconds - offset) * 1_000_000 + fraction
        return microsecondsRange.contains(result) ? result : nil
    }

    private struct Scanner {
        let bytes: UnsafeBufferPointer<UInt8>
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        mutating func pass(_ expected: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: expected) else {
                return false
            }
            position += 1
            return true
        }

        mutating func number(digits: Int, max: Int64) -> Int64? {
            guard position + digits <= bytes.count else { return nil }
            var value: Int64 = 0
            for _ in 0..<digits {
                let digit = bytes[position] &- UInt8(ascii: "0")
                guard digit < 10 else { return nil }
                value = value * 10 + Int64(digit)
                position += 1
            }
            return value <= max ? value : nil
        }

        /// Days since 1970.
        mutating func date() -> Int64? {
            guard let year = number(digits: 4, max: 9_999), pass("-"),
                let month = number(digits: 2, max: 12), month > 0,
                pass("-"),
                let day = number(digits: 2, max: RFC3339.daysInMonth(year: year, month: month)),
                day > 0
            else { return nil }
            return RFC3339.days(year: year, month: month, day: day)
        }

        mutating func secondOfDay() -> Int64? {
            guard let hour = number(digits: 2, max: 23), pass(":"),
                let minute = number(digits: 2, max: 59), pass(":"),
                let second = number(digits: 2, max: 59)
            else { return nil }
            return hour * 3_600 + minute * 60 + second
        }

        /// Microseconds.
        mutating func fraction() -> Int64? {
            guard pass(".") else { return 0 }
            let first = position
            var value: Int64 = 0
            while position < bytes.count, bytes[position] &- UInt8(ascii: "0") < 10,
                position - first < 9
            {
                if position - first < 6 {
                    value = value * 10 + Int64(bytes[position] &- UInt8(ascii: "0"))
                }
                position += 1
            }
            guard position > first else { return nil }
            for _ in 0..<max(0, 6 - (position - first)) { value *= 10 }
            return value
        }

        /// Seconds east of UTC.
        mutating func offset() -> Int64? {
            if pass("Z") { return 0 }
            let isEast = pass("+")
            guard isEast || pass("-"), let hours = number(digits: 2, max: 23), pass(":"),
                let minutes = number(digits: 2, max: 59)
            else { return nil }
            return (isEast ? 1 : -1) * (hours * 3_600 + minutes * 60)
        }
    }
}
