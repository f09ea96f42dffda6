import Foundation

/// 12,470
func grouped(_ number: Int) -> String {
    grouped(digits: String(number))
}

/// An amount in the asset's own unit: 1250 of `EUR/2` is 12.50.
func amount(_ value: Int128, of asset: String) -> String {
    let scale = asset.split(separator: "/").dropFirst().first.flatMap { Int($0) } ?? 0
    let sign = value < 0 ? "-" : ""
    let digits = String(value.magnitude)
    let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
    let whole = grouped(digits: String(padded.dropLast(scale)))
    return scale == 0 ? sign + whole : "\(sign)\(whole).\(padded.suffix(scale))"
}

/// 0.4 s ago
func ago(_ date: Date?, now: Date = Date()) -> String {
    guard let date else { return "-" }
    let seconds = max(0, now.timeIntervalSince(date))
    return seconds < 60 ? String(format: "%.1f s ago", seconds) : "\(Int(seconds) / 60) min ago"
}

func seconds(_ duration: Duration) -> String {
    String(format: "%.1f s", duration.inSeconds)
}

extension String {
    /// At the left of a column.
    func left(_ width: Int) -> String {
        count >= width ? self : self + String(repeating: " ", count: width - count)
    }

    /// At the right of a column.
    func right(_ width: Int) -> String {
        count >= width ? self : String(repeating: " ", count: width - count) + self
    }
}

private func grouped(digits: String) -> String {
    var result = ""
    for (index, digit) in digits.enumerated() {
        if index > 0, (digits.count - index) % 3 == 0, digits.first != "-" || index > 1 {
            result.append(",")
        }
        result.append(digit)
    }
    return result
}
