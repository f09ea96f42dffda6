/// What a JSON value looks like: the part of JSON Schema 2020-12 that the answers and requests of
/// both daemons need.
///
/// ```swift
/// static let backlog = Schema.object(["count": .count, "oldest_at": .orNull(.time)])
/// ```
package indirect enum Schema: Hashable, Sendable {
    case string(pattern: String? = nil, lengthMax: Int? = nil)
    /// One of these strings.
    case words([String])
    /// RFC 3339.
    case time
    case integer(minimum: Int64? = nil, maximum: Int64? = nil)
    case number(minimum: Int64? = nil)
    case boolean
    case null
    case array(of: Schema, countMax: Int? = nil)
    case members([Member], others: Others)
    /// Any one of these.
    case either([Schema])
    /// A schema that stands once in the document, under this name, and is referred to elsewhere.
    case named(String, Schema)
    /// A schema with a sentence about what it holds.
    case explained(Schema, String)

    package struct Member: Hashable, Sendable {
        package let name: String
        package let schema: Schema
        package let isRequired: Bool
    }

    /// What members an object may have beyond those that are listed.
    package enum Others: Hashable, Sendable {
        /// Not said: in an answer, a later version may add some, and a client should pass over them.
        case unsaid
        /// None: in a request, an unknown field is refused with its path.
        case refused
        /// Some, of this kind.
        case of(Schema)
        /// Some, of any kind.
        case any
    }

    package static func object(
        _ required: KeyValuePairs<String, Schema>, optional: KeyValuePairs<String, Schema> = [:],
        others: Others = .unsaid
    ) -> Schema {
        .members(
            required.map { Member(name: $0.key, schema: $0.value, isRequired: true) }
                + optional.map { Member(name: $0.key, schema: $0.value, isRequired: false) },
            others: others)
    }

    /// This or null.
    package static func orNull(_ schema: Schema) -> Schema { .either([schema, .null]) }

    /// An object with the members of this one and these: a flat one, as JSON has no other.
    package func adding(
        _ required: KeyValuePairs<String, Schema>, optional: KeyValuePairs<String, Schema> = [:]
    ) -> Schema {
        guard case .members(let members, let others) = bare,
            case .members(let more, _) = Schema.object(required, optional: optional)
        else { preconditionFailure("only an object has members") }
        return .members(members + more, others: others)
    }

    /// Without its name and explanation.
    private var bare: Schema {
        switch self {
        case .named(_, let schema), .explained(let schema, _): schema.bare
        default: self
        }
    }
}
