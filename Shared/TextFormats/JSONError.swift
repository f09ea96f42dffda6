/// Why a JSON document was not taken.
///
/// Two kinds, because a client mends them differently: text that is not JSON at all, and JSON that
/// says something we do not accept. A document with both faults is `malformed`: nothing can be said
/// of the fields of what is not JSON.
package struct JSONError: Error, Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// Not JSON as RFC 8259 defines it, or nested deeper than we read.
        case malformed
        /// JSON, and `path` holds something other than what is asked for.
        case invalidField
    }

    package var kind: Kind
    /// Where in the document, in bytes from its start, counted from 0.
    package var offset: Int
    /// Where in the structure: `postings[0].amount`. Empty for the document itself.
    package var path: String
    /// A predicate to be read after the path: `must be an integer, not a string`.
    package var message: String

    package init(kind: Kind, offset: Int, path: String, message: String) {
        self.kind = kind
        self.offset = offset
        self.path = path
        self.message = message
    }
}

extension JSONError: CustomStringConvertible {
    /// One sentence for people: `postings[0].amount must be an integer, not a string`.
    package var description: String {
        switch kind {
        case .malformed: "not valid JSON at byte \(offset): \(message)"
        case .invalidField: "\(path.isEmpty ? "the document" : path) \(message)"
        }
    }
}
