/// A value that breaks a rule of the ledger, said in a sentence for the person who sent it.
///
/// The sentence names the value and the rule, not the place: whoever knows the place (a JSON path,
/// a line of a file) adds it.
package struct InvalidValue: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

extension String {
    /// The text in quotes and cut to 64 Unicode scalars, for messages: a bad value may be very
    /// long, and so may a single character with its accents.
    package var quotedForMessage: String {
        let start = String(unicodeScalars.prefix(64))
        return start.utf8.count == utf8.count ? "\"\(start)\"" : "\"\(start)…\""
    }
}
