import Testing
import TextFormats

@Suite struct DurationTextTests {
    @Test(
        arguments: [
            ("0s", .zero), ("250ms", .milliseconds(250)), ("30s", .seconds(30)),
            ("5m", .seconds(300)), ("12h", .seconds(43_200)),
            ("7d", .seconds(604_800)), ("1h30m", .seconds(5_400)),
            ("1d2h3m4s5ms6us", .microseconds(93_784_005_006)),
        ] as [(String, Duration)])
    func `a duration is read, and written back as it was`(text: String, duration: Duration) {
        #expect(DurationText.duration(text) == duration)
        #expect(DurationText.text(duration) == text)
    }

    @Test(arguments: [
        "", "30", "s", "1.5h", "-1s", "+1s", "1 s", "1S", "30s1h", "1s1s", "1w",
        "9223372036854775807d", "99999999999999999999s",
        "1h30", "１s",
    ])
    func `any other text is no duration`(text: String) {
        #expect(DurationText.duration(text) == nil)
    }

    @Test(
        arguments: [
            ("PT15M", .seconds(900)), ("PT1H30M", .seconds(5_400)), ("P1DT12H", .seconds(129_600)),
            ("P2W", .seconds(1_209_600)),
            ("P3D", .seconds(259_200)), ("PT0.25S", .milliseconds(250)),
            ("PT1M0.000001S", .microseconds(60_000_001)),
        ] as [(String, Duration)])
    func `an API's duration is ISO 8601 without months and years`(text: String, duration: Duration)
    {
        #expect(DurationText.duration(iso8601: text) == duration)
    }

    @Test(arguments: [
        "", "P", "PT", "P1DT", "T1H", "1H", "P1M", "P1Y", "P1H", "PT1D", "PT1M1H", "PT1H1H",
        "PT1.5M", "PT.5S", "PT1.S",
        "PT1.0000001S", "P1W1D", "P1DW", "-PT1S", "PT-1S", "pt1s", "PT1S ",
        "PT9223372036854775807H",
    ])
    func `any other text is no ISO 8601 duration`(text: String) {
        #expect(DurationText.duration(iso8601: text) == nil)
    }

    @Test func `a negative duration has a text, too`() {
        #expect(DurationText.text(.seconds(-90)) == "-1m30s")
    }
}

@Suite struct ByteCountTextTests {
    @Test(
        arguments: [
            ("0", 0), ("1500", 1_500), ("1500B", 1_500), ("64KiB", 65_536), ("64MiB", 67_108_864),
            ("2GiB", 2_147_483_648),
            ("1TiB", 1_099_511_627_776), ("5KB", 5_000), ("5MB", 5_000_000), ("5GB", 5_000_000_000),
            ("1TB", 1_000_000_000_000),
        ] as [(String, Int64)])
    func `a size is read`(text: String, bytes: Int64) {
        #expect(ByteCountText.bytes(text) == bytes)
        #expect(ByteCountText.bytes(ByteCountText.text(bytes)) == bytes)
    }

    @Test func `a size is written in the largest unit that divides it`() {
        #expect(
            [0, 1, 1_500, 1_024, 1_536, 67_108_864, 3 << 40].map(ByteCountText.text) == [
                "0B", "1B", "1500B", "1KiB", "1536B", "64MiB", "3TiB",
            ])
    }

    @Test(arguments: [
        "", "MiB", "-1", "+1", "1.5GiB", "64 MiB", "64mib", "64M", "64Mib", "9223372036854775808",
        "8388608TiB",
    ])
    func `any other text is no size`(text: String) {
        #expect(ByteCountText.bytes(text) == nil)
    }
}
