import TextFormats

extension Schema {
    /// As JSON Schema: what has a name is referred to as a component of the document.
    func write(to json: inout JSONWriter) {
        switch self {
        case .named(let name, _):
            json.object { $0.member("$ref", "#/components/schemas/\(name)") }
        case .explained(.named(let name, _), let sentence):
            json.object { json in
                json.member("$ref", "#/components/schemas/\(name)")
                json.member("description", sentence)
            }
        case .explained(let schema, let sentence):
            json.object { json in
                schema.writeMembers(to: &json)
                json.member("description", sentence)
            }
        default: writeBody(to: &json)
        }
    }

    /// The component itself, if this has a name.
    func writeBody(to json: inout JSONWriter) {
        switch self {
        case .named(_, let schema): schema.writeBody(to: &json)
        case .explained: write(to: &json)
        default: json.object { writeMembers(to: &$0) }
        }
    }

    private func writeMembers(to json: inout JSONWriter) {
        switch self {
        case .string(let pattern, let lengthMax):
            json.member("type", "string")
            json.member("pattern", ifPresent: pattern)
            if let lengthMax { json.member("maxLength", lengthMax) }
        case .words(let words):
            json.member("type", "string")
            json.name("enum")
            json.array(of: words) { json, word in json.value(word) }
        case .time:
            json.member("type", "string")
            json.member("format", "date-time")
        case .integer(let minimum, let maximum):
            json.member("type", "integer")
            if let minimum { json.member("minimum", minimum) }
            if let maximum { json.member("maximum", maximum) }
        case .number(let minimum):
            json.member("type", "number")
            if let minimum { json.member("minimum", minimum) }
        case .boolean: json.member("type", "boolean")
        case .null: json.member("type", "null")
        case .array(let element, let countMax):
            json.member("type", "array")
            json.name("items")
            element.write(to: &json)
            if let countMax { json.member("maxItems", countMax) }
        case .members(let members, let others): Schema.write(members, others, to: &json)
        case .either(let schemas):
            json.name("anyOf")
            json.array(of: schemas) { json, schema in schema.write(to: &json) }
        case .named, .explained: preconditionFailure("only a schema itself has members")
        }
    }

    private static func write(_ members: [Member], _ others: Others, to json: inout JSONWriter) {
        json.member("type", "object")
        json.name("properties")
        json.object { json in
            for member in members {
                json.name(member.name)
                member.schema.write(to: &json)
            }
        }
        let required = members.filter(\.isRequired)
        if !required.isEmpty {
            json.name("required")
            json.array(of: required) { json, member in json.value(member.name) }
        }
        switch others {
        case .unsaid: break
        case .refused: json.member("additionalProperties", false)
        case .any: json.member("additionalProperties", true)
        case .of(let schema):
            json.name("additionalProperties")
            schema.write(to: &json)
        }
    }

    /// All that have a name, in this and below it.
    ///
    /// - Parameter found: what has been found, by name; two of one name are one.
    func collectNamed(into found: inout [String: Schema]) {
        switch self {
        case .string, .words, .time, .integer, .number, .boolean, .null: break
        case .array(let element, _): element.collectNamed(into: &found)
        case .members(let members, let others):
            for member in members { member.schema.collectNamed(into: &found) }
            if case .of(let schema) = others { schema.collectNamed(into: &found) }
        case .either(let schemas): for schema in schemas { schema.collectNamed(into: &found) }
        case .explained(let schema, _): schema.collectNamed(into: &found)
        case .named(let name, let schema):
            precondition(found[name] ?? self == self, "two schemas have the name \(name)")
            found[name] = self
            schema.collectNamed(into: &found)
        }
    }
}
