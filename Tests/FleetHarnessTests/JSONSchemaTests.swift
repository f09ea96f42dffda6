import FleetHarness
import Testing

@Suite struct JSONSchemaTests {
    private func json(_ text: String) throws -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    private func faults(_ value: String, _ schema: String, strict: Bool = true) throws -> [String] {
        let document = try json(#"{"schemas":{"Name":{"type":"string","pattern":"^[a-z]+$"}}}"#)
        return try JSONSchema(document: document, mustDescribeMembers: strict)
            .faults(of: try json(value), against: try json(schema))
    }

    /// A schema, a value that is as it says, and one that is not.
    private static let pairs: [(schema: String, good: String, bad: String)] = [
        (#"{"type":"null"}"#, "null", "0"), (#"{"type":"boolean"}"#, "true", "1"),
        (#"{"type":"integer"}"#, "-7", "1.5"), (#"{"type":"integer"}"#, "7", #""7""#),
        (#"{"type":"number"}"#, "1.5", #""1.5""#), (#"{"type":"string"}"#, #""""#, "null"),
        (#"{"type":"array"}"#, "[]", "{}"), (#"{"type":"object"}"#, "{}", "[]"),
        (#"{"enum":["a","b"]}"#, #""b""#, #""c""#),
        (#"{"anyOf":[{"type":"null"},{"type":"integer"}]}"#, "null", "true"),
        (#"{"pattern":"^[0-9]+$"}"#, #""12""#, #""1a2""#),
        (#"{"format":"date-time"}"#, #""2026-11-20T10:00:00.000001Z""#, #""2026-11-20""#),
        (#"{"format":"date-time"}"#, #""2026-11-20T10:00:00Z""#, #""2026-13-20T10:00:00Z""#),
        (#"{"maxLength":2}"#, #""ab""#, #""abc""#), (#"{"maxItems":1}"#, "[1]", "[1,2]"),
        (#"{"minimum":1}"#, "1", "0"), (#"{"maximum":1}"#, "1", "2"),
        (#"{"items":{"type":"integer"}}"#, "[1,2]", #"[1,"2"]"#),
        (#"{"properties":{"a":{"type":"integer"}}}"#, #"{"a":1}"#, #"{"a":"1"}"#),
        (#"{"required":["a"]}"#, #"{"a":null}"#, "{}"),
        (#"{"properties":{"a":{}},"additionalProperties":false}"#, #"{"a":1}"#, #"{"b":1}"#),
        (
            #"{"additionalProperties":{"type":"string"}}"#, #"{"a":"1","b":"2"}"#,
            #"{"a":"1","b":2}"#
        ),
        (##"{"$ref":"#/schemas/Name"}"##, #""abc""#, #""ABC""#),
        (##"{"$ref":"#/schemas/Name","maxLength":2}"##, #""ab""#, #""abc""#),
    ]

    @Test(arguments: pairs.indices)
    func `each keyword lets pass what it should, and nothing else`(index: Int) throws {
        let pair = Self.pairs[index]
        #expect(try faults(pair.good, pair.schema) == [])
        #expect(try !faults(pair.bad, pair.schema).isEmpty, "\(pair)")
    }

    @Test func `a fault names its place`() throws {
        let schema = #"{"properties":{"a":{"items":{"required":["b"]}}}}"#
        #expect(try faults(#"{"a":[{"b":1},{}]}"#, schema) == ["$.a[1].b is missing"])
    }

    @Test func `a member that the schema does not name is a fault, unless it is left open`() throws
    {
        let schema = #"{"properties":{"a":{}}}"#
        #expect(try faults(#"{"b":1}"#, schema) == ["$.b is not described: integer(1)"])
        #expect(try faults(#"{"b":1}"#, schema, strict: false) == [])
        let open = #"{"properties":{"a":{}},"additionalProperties":true}"#
        #expect(try faults(#"{"b":1}"#, open) == [])
    }

    @Test(arguments: [
        #"{"minLenght":1}"#, #"{"type":"int"}"#, #"{"type":["null","integer"]}"#,
        #"{"format":"uuid"}"#, #"{"pattern":"("}"#, ##"{"$ref":"#/schemas/Nobody"}"##,
        #"{"$ref":"Name"}"#, #"{"oneOf":[{}]}"#, "true", #"{"items":{"minLenght":1}}"#,
        #"{"properties":{"a":{"const":1}}}"#, #"{"anyOf":[{"type":"null"},{"not":{}}]}"#,
        #"{"additionalProperties":{"uniqueItems":true}}"#, #"{"required":"a"}"#,
    ])
    func `a schema that is not understood is refused, wherever it stands`(schema: String) throws {
        let document = try json(#"{"schemas":{"Name":{"type":"string"}}}"#)
        #expect(throws: JSONSchema.Unusable.self) {
            try JSONSchema(document: document).check(json(schema))
        }
    }
}
