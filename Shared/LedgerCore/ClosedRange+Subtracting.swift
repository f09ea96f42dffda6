/// Ranges of event numbers.
extension ClosedRange<UInt64> {
    /// What is left of it: at most two parts.
    package func subtracting(_ other: ClosedRange<UInt64>) -> [ClosedRange<UInt64>] {
        guard overlaps(other) else { return [self] }
        var parts: [ClosedRange<UInt64>] = []
        if lowerBound < other.lowerBound { parts.append(lowerBound...other.lowerBound - 1) }
        if upperBound > other.upperBound { parts.append(other.upperBound + 1...upperBound) }
        return parts
    }
}
