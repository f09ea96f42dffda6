import FleetHarness
import Testing

/// A daemon's document, and what its answers say of it.
final class DescribedAPI {
    struct Operation {
        let id: String
        let method: String
        /// As in the document: `/v1/accounts/{address}`.
        let template: String
        let json: JSONValue

        func parameters(in place: String) -> [JSONValue] {
            (json["parameters"].array ?? []).filter { $0["in"].string == place }
        }

        var statuses: Set<Int> {
            Set((json["responses"].object ?? [:]).keys.compactMap { Int($0) })
        }

        /// Whether its answer goes on until its reader leaves.
        var isStream: Bool { content(200)["text/event-stream"] != nil }

        func content(_ status: Int) -> [String: JSONValue] {
            json["responses"][String(status)]["content"].object ?? [:]
        }
    }

    let document: JSONValue
    let operations: [Operation]
    private let http: HTTPClient
    private let schema: JSONSchema
    /// The statuses that each operation has answered with.
    private(set) var seen: [String: Set<Int>] = [:]

    init(_ http: HTTPClient) throws {
        self.http = http
        document = try http.json("/openapi.json")
        schema = JSONSchema(document: document)
        operations = (document["paths"].object ?? [:]).sorted { $0.key < $1.key }.flatMap { path in
            (path.value.object ?? [:]).sorted { $0.key < $1.key }.map { method, json in
                Operation(
                    id: json["operationId"].string ?? "", method: method.uppercased(),
                    template: path.key, json: json)
            }
        }
    }

    func operation(_ id: String) throws -> Operation {
        try #require(operations.first { $0.id == id }, "no operation \(id)")
    }

    /// Expects that every schema of the document is one that can be checked against.
    func expectUsableSchemas() throws {
        for (name, component) in document["components"]["schemas"].object ?? [:] {
            #expect(throws: Never.self, "\(name)") { try schema.check(component) }
        }
        for operation in operations {
            let contents =
                operation.statuses.flatMap { operation.content($0).values }
                + (operation.json["requestBody"]["content"].object ?? [:]).values
            let parameters = (operation.json["parameters"].array ?? []).map { $0["schema"] }
            let lines = contents.map { $0["x-tributary-line"] }.filter { $0 != .null }
            for one in contents.map({ $0["schema"] }) + lines + parameters {
                #expect(throws: Never.self, "\(operation.id)") { try schema.check(one) }
            }
        }
    }

    /// Asks, and expects what the document says: status, content type, headers and body.
    @discardableResult
    func ask(
        _ id: String, _ path: String, status: Int, headers: [String: String] = [:],
        body: String? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> HTTPResponse {
        let operation = try operation(id)
        let response = try http.send(
            operation.method, path, headers: headers, body: body.map { Array($0.utf8) })
        #expect(
            response.status == status, "\(id) \(path): \(response.text.prefix(500))",
            sourceLocation: sourceLocation)
        try expectDescribed(response, of: operation, path, sourceLocation)
        return response
    }

    /// Reads the first events of a stream, and expects each to be as the document says.
    func follow(_ operation: Operation, _ path: String, events count: Int) throws {
        seen[operation.id, default: []].insert(200)
        let content = try #require(operation.content(200)["text/event-stream"])
        let port = try #require(http.host.split(separator: ":").last.flatMap { UInt16($0) })
        let reader = try EventReader(port: port, path: path)
        for _ in 0..<count {
            let event = try #require(try reader.next(), "\(path) ended")
            let faults = try schema.faults(of: event.data, against: content["x-tributary-line"])
            #expect(faults == [], "\(path): \(event)")
        }
    }

    func expectDescribed(
        _ response: HTTPResponse, of operation: Operation, _ path: String,
        _ sourceLocation: SourceLocation
    ) throws {
        let name = "\(operation.method) \(path) (\(response.status))"
        seen[operation.id, default: []].insert(response.status)
        guard operation.statuses.contains(response.status) else {
            Issue.record(
                "\(name) is not in the document: \(response.text.prefix(500))",
                sourceLocation: sourceLocation)
            return
        }
        let contents = operation.content(response.status)
        let type = response.headers["content-type"] ?? ""
        guard let content = contents[type] else {
            Issue.record(
                "\(name) is \(type), not one of \(contents.keys.sorted())",
                sourceLocation: sourceLocation)
            return
        }
        for body in try bodies(of: response, type, content) {
            let faults = try schema.faults(of: body.value, against: body.schema)
            #expect(faults == [], "\(name)", sourceLocation: sourceLocation)
        }
    }

    /// The documents of a body, each with its schema.
    private func bodies(
        of response: HTTPResponse, _ type: String, _ content: JSONValue
    ) throws -> [(value: JSONValue, schema: JSONValue)] {
        let line = content["x-tributary-line"]
        switch type {
        case "application/json", "application/problem+json":
            return [(try response.json(), content["schema"])]
        case "application/x-ndjson":
            return try response.text.split(separator: "\n").map {
                (try JSONValue(parsing: Array($0.utf8)), line)
            }
        case "text/event-stream":
            return try response.text.split(separator: "\n").filter { $0.hasPrefix("data:") }.map {
                (try JSONValue(parsing: Array($0.dropFirst(5).utf8)), line)
            }
        default: return [(.string(response.text), content["schema"])]
        }
    }

    /// Expects that an address takes exactly the methods that the document names.
    func expectOtherMethodsRefused() throws {
        for (template, operations) in Dictionary(grouping: operations, by: \.template) {
            var methods = Set(operations.map(\.method))
            if methods.contains("GET") { methods.insert("HEAD") }
            let path = template.replacing(#/\{[^}]*\}/#, with: "x")
            let other = try #require(["PATCH", "DELETE"].first { !methods.contains($0) })
            let response = try http.send(other, path)
            #expect(response.status == 405, "\(other) \(path)")
            let allowed = (response.headers["allow"] ?? "").split(separator: ", ").map(String.init)
            #expect(Set(allowed) == methods, "\(template)")
            let problem = document["components"]["schemas"]["Problem"]
            #expect(try schema.faults(of: response.json(), against: problem) == [])
        }
    }

    /// The names that a route says it knows, when it is asked for one that it does not.
    func expectQueryParametersDescribed(_ operation: Operation, path: String) throws {
        let described = operation.parameters(in: "query").compactMap { $0["name"].string }
        guard !described.isEmpty else { return }
        let response = try ask(operation.id, "\(path)?surprise=1", status: 400)
        let message = try response.json()["errors"][0]["message"].string ?? ""
        let known = message.split(separator: "known are ").last?.split(separator: ", ") ?? []
        #expect(known.map(String.init).sorted() == described.sorted(), "\(operation.id)")
    }
}
