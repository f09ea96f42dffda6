/// Sizes as people write them.
package enum ByteCountText {
    /// A size of a configuration file: `64MiB`, `2GiB`, `500KB`, or plain bytes. IEC units count by
    /// 1024, SI units by 1000.
    ///
    /// - Returns: nil if the text is anything else, or 2^63 bytes or more.
    package static func bytes(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let count = Int64(digits),
            let unit = units.first(where: { $0.name == text.dropFirst(digits.count) })
        else {
            return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }

    /// The size in the largest IEC unit that divides it: `64MiB`, and `1500B`.
    package static func text(_ bytes: Int64) -> String {
        let unit = units.first { $0.isBinary && bytes != 0 && bytes % $0.bytes == 0 }
        guard let unit else { return "\(bytes)B" }
        return "\(bytes / unit.bytes)\(unit.name)"
    }

    private static let units: [(name: String, bytes: Int64, isBinary: Bool)] = [
        ("TiB", 1 << 40, true), ("GiB", 1 << 30, true), ("MiB", 1 << 20, true),
        ("KiB", 1 << 10, true),
        ("TB", 1_000_000_000_000, false), ("GB", 1_000_000_000, false), ("MB", 1_000_000, false),
        ("KB", 1_000, false),
        ("B", 1, false), ("", 1, false),
    ]
}
