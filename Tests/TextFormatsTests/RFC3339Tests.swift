import Foundation
import Testing
import TextFormats

@Suite struct RFC3339Tests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_795_168_800_123_456, "2026-11-20T10:00:00.123456Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
        ] as [(Int64, String)])
    func `a time has one text, which is read back as the same time`(
        microseconds: Int64, text: String
    ) {
        #expect(RFC3339.text(microseconds: microseconds) == text)
        #expect(RFC3339.microseconds(text) == microseconds)
    }

    @Test(
        arguments: [
            (253_402_300_800_000_000, "+10000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_001, "-00001-12-31T23:59:59.999999Z"),
            (.max, "+294247-01-10T04:00:54.775807Z"),
            (.min, "-290308-12-21T19:59:05.224192Z"),
        ] as [(Int64, String)])
    func `a time that RFC 3339 cannot write has an expanded text, which is not taken back`(
        microseconds: Int64, text: String
    ) {
        #expect(RFC3339.text(microseconds: microseconds) == text)
        #expect(RFC3339.microseconds(text) == nil)
    }

    @Test(arguments: [
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000000Z"),
        ("2026-11-20T11:30:00+01:30", "2026-11-20T10:00:00.000000Z"),
        ("2026-11-19T23:00:00-11:00", "2026-11-20T10:00:00.000000Z"),
        ("2026-11-20T10:00:00-00:00", "2026-11-20T10:00:00.000000Z"),
        ("2026-11-20T10:00:00.5Z", "2026-11-20T10:00:00.500000Z"),
        ("2026-11-20T10:00:00.123456789Z", "2026-11-20T10:00:00.123456Z"),
        ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000Z"),
    ])
    func `offsets are applied, and decimals beyond the microsecond are cut off`(
        text: String, expected: String
    ) {
        #expect(RFC3339.microseconds(text).map(RFC3339.text(microseconds:)) == expected)
    }

    @Test(arguments: [
        "", "2026", "2026-11-20", "2026-11-20T10:00:00", "2026-11-20 10:00:00Z",
        "2026-11-20t10:00:00Z",
        "2026-11-20T10:00:00z", "2026-11-20T10:00Z", "2026-11-20T24:00:00Z", "2026-11-20T10:60:00Z",
        "2026-11-20T23:59:60Z", "2026-00-20T10:00:00Z", "2026-13-20T10:00:00Z",
        "2026-11-00T10:00:00Z",
        "2026-11-31T10:00:00Z", "2026-02-29T10:00:00Z", "2100-02-29T10:00:00Z",
        "2026-11-20T10:00:00.Z",
        "2026-11-20T10:00:00.1234567890Z", "2026-11-20T10:00:00,5Z", "2026-11-20T10:00:00+0100",
        "2026-11-20T10:00:00+24:00", "2026-11-20T10:00:00+01:60", "2026-11-20T10:00:00ZZ",
        " 2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00Z ", "26-11-20T10:00:00Z", "-026-11-20T10:00:00Z",
        "2026-1-20T10:00:00Z",
        "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "２026-11-20T10:00:00Z",
    ])
    func `any other text is refused`(text: String) {
        #expect(RFC3339.microseconds(text) == nil)
    }

    @Test func `every day of 800 years has the date that the reference gives it`() throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(secondsFromGMT: 0))
        // From 1600: the reference changes to the Julian calendar in 1582, and RFC 3339 does not.
        let first = try #require(calendar.date(from: DateComponents(year: 1600, month: 1, day: 1)))
        let start = Int64(first.timeIntervalSince1970)
        for day in 0..<(292_194 as Int64) {
            let seconds = start + day * 86_400
            let parts = calendar.dateComponents(
                [.year, .month, .day], from: Date(timeIntervalSince1970: TimeInterval(seconds)))
            let text = RFC3339.text(microseconds: seconds * 1_000_000)
            let year = Int(text.prefix(4))
            let month = Int(text.dropFirst(5).prefix(2))
            let date = Int(text.dropFirst(8).prefix(2))
            try #require(
                year == parts.year && month == parts.month && date == parts.day,
                "\(text), day \(day)")
            try #require(RFC3339.microseconds(text) == seconds * 1_000_000)
        }
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func `any time within the range is read back, and texts sort as times do`(seed: UInt64) {
        var random = SplitMix64(state: seed)
        var last: (Int64, String)?
        for _ in 0..<2_000 {
            let time = Int64.random(in: RFC3339.microsecondsRange, using: &random)
            let text = RFC3339.text(microseconds: time)
            #expect(RFC3339.microseconds(text) == time, "seed \(seed)")
            if let last { #expect((last.0 < time) == (last.1 < text), "seed \(seed)") }
            last = (time, text)
        }
    }
}
