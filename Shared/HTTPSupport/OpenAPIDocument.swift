import HTTPTypes
import NIOCore
import TextFormats

/// The routes of one daemon as an OpenAPI document, version 3.1 (spec.openapis.org/oas/v3.1.1).
struct OpenAPIDocument {
    let about: APIAbout
    let routes: [APIRoute]

    /// Of the document itself.
    static let operation = APIOperation(
        "getDocument", "This document.",
        answers: [
            .ok(
                "The routes of this daemon, as OpenAPI 3.1.",
                .object(
                    ["openapi": .string(pattern: "^3\\.1\\."), "info": .object([:], others: .any)],
                    others: .any))
        ])

    private static let description = """
        Times are RFC 3339 with microseconds, amounts whole numbers of an asset's smallest unit. \
        Every error is application/problem+json with a stable code; its type is an address of this \
        daemon. Unknown fields and query parameters are refused with their path. A HEAD is answered \
        as its GET, without the body; a method that an address does not have with 405 and Allow.
        """

    func bytes() -> ByteBuffer {
        var json = JSONWriter(capacity: 64 << 10)
        json.object { json in
            json.member("openapi", "3.1.1")
            json.name("info")
            json.object { json in
                json.member("title", about.title)
                json.member("version", about.version)
                json.member("description", OpenAPIDocument.description)
                json.name("license")
                json.object { json in
                    json.member("name", "Apache-2.0")
                    json.member("identifier", "Apache-2.0")
                }
            }
            json.name("paths")
            json.object { json in writePaths(to: &json) }
            json.name("components")
            json.object { json in
                json.name("schemas")
                json.object { json in writeSchemas(to: &json) }
            }
        }
        var buffer = ByteBufferAllocator().buffer(capacity: json.count)
        json.withBytes { _ = buffer.writeBytes($0) }
        return buffer
    }

    private func writePaths(to json: inout JSONWriter) {
        var written: Set<String> = []
        for route in routes where written.insert(route.template).inserted {
            json.name(route.template)
            json.object { json in
                for other in routes where other.template == route.template {
                    json.name(other.method.rawValue.lowercased())
                    other.operation.write(to: &json)
                }
            }
        }
    }

    private func writeSchemas(to json: inout JSONWriter) {
        var named: [String: Schema] = [:]
        Schema.problem.collectNamed(into: &named)
        for route in routes {
            for schema in route.operation.schemas { schema.collectNamed(into: &named) }
        }
        for (name, schema) in named.sorted(by: { $0.key < $1.key }) {
            json.name(name)
            schema.writeBody(to: &json)
        }
    }
}

extension APIOperation {
    fileprivate var schemas: [Schema] {
        let contents = request + answers.flatMap(\.content)
        return parameters.map(\.schema)
            + contents.flatMap { [$0.schema] + ($0.line.map { [$0] } ?? []) }
    }

    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("operationId", id)
            json.member("summary", summary)
            if !parameters.isEmpty {
                json.name("parameters")
                json.array(of: parameters) { json, parameter in parameter.write(to: &json) }
            }
            if !request.isEmpty {
                json.name("requestBody")
                json.object { json in
                    json.member("required", true)
                    APIOperation.write(request, to: &json)
                }
            }
            json.name("responses")
            json.object { json in writeResponses(to: &json) }
        }
    }

    /// Answers and problems by their status; the problems of one status together.
    private func writeResponses(to json: inout JSONWriter) {
        let byStatus = Dictionary(grouping: problems + [.internalError], by: \.status.code)
        for status in statuses.sorted() {
            let answer = answers.first { $0.status == status }
            let problems = byStatus[status] ?? []
            let sentences = (answer.map { [$0.sentence] } ?? []) + problems.map { $0.title + "." }
            json.name(String(status))
            json.object { json in
                json.member("description", sentences.joined(separator: " "))
                if let headers = answer?.headers, !headers.isEmpty {
                    json.name("headers")
                    json.object { json in
                        for header in headers { header.write(to: &json) }
                    }
                }
                let content =
                    (answer?.content ?? []) + (problems.isEmpty ? [] : [.problem(problems)])
                APIOperation.write(content, to: &json)
            }
        }
    }

    private static func write(_ contents: [APIContent], to json: inout JSONWriter) {
        guard !contents.isEmpty else { return }
        json.name("content")
        json.object { json in
            for content in contents {
                json.name(content.mediaType)
                json.object { json in
                    json.name("schema")
                    content.schema.write(to: &json)
                    guard let line = content.line else { return }
                    // What OpenAPI 3.1 has no word for: the schema of each document in the stream.
                    json.name("x-tributary-line")
                    line.write(to: &json)
                }
            }
        }
    }
}

extension APIParameter {
    fileprivate func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("name", name)
            json.member("in", place.rawValue)
            if place == .path { json.member("required", true) }
            json.member("description", sentence)
            json.name("schema")
            schema.write(to: &json)
        }
    }
}

extension APIAnswer.Header {
    fileprivate func write(to json: inout JSONWriter) {
        json.name(name)
        json.object { json in
            json.member("description", sentence)
            json.name("schema")
            Schema.string().write(to: &json)
        }
    }
}
