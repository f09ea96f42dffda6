/// How much moves in one posting: a positive count of the asset's smallest unit. Sums are `Int128`,
/// and nothing in the ledger is ever a floating-point number.
package struct Amount: Hashable, Comparable, Sendable {
    /// In the asset's smallest unit, 1 to 2⁶³ − 1.
    package let units: Int64

    /// - Throws: `InvalidValue` for zero and below.
    package init(_ units: Int64) throws(InvalidValue) {
        guard units > 0 else {
            throw InvalidValue("an amount is a whole number from 1 to \(Int64.max), not \(units)")
        }
        self.units = units
    }

    package static func < (left: Amount, right: Amount) -> Bool {
        left.units < right.units
    }
}
