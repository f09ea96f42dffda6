import HTTPTypes
import Hummingbird
import NIOCore
import TextFormats

/// What went wrong, as RFC 9457 says it: `application/problem+json`.
package struct Problem: Error, Sendable {
    /// A part of the request that is at fault, by its JSON path.
    package struct Part: Sendable, Hashable {
        package let path: String
        package let message: String

        package init(path: String, message: String) {
            self.path = path
            self.message = message
        }
    }

    /// A member of this one problem, beyond those that all have (RFC 9457, section 3.2).
    package struct Member: Sendable, Hashable {
        package enum Value: Sendable, Hashable {
            case text(String)
            case integer(Int64)
            case boolean(Bool)
            /// A time, in microseconds since 1970.
            case time(microseconds: Int64)
        }

        package let name: String
        package let value: Value

        package init(_ name: String, _ value: Value) {
            self.name = name
            self.value = value
        }
    }

    package let code: ProblemCode
    package var detail: String
    package var errors: [Part]
    /// Seconds after which asking again may help.
    package var retryAfter: Int?
    package var members: [Member]
    /// Whether the same request may succeed later; as the code says, where nothing is known of this
    /// one problem.
    package var isRetryable: Bool
    /// Goes with the answer: `Allow` of a 405, `WWW-Authenticate` of a 401.
    package var headers: HTTPFields = [:]

    package init(
        _ code: ProblemCode, _ detail: String, errors: [Part] = [], retryAfter: Int? = nil,
        members: [Member] = []
    ) {
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retryAfter = retryAfter
        self.members = members
        isRetryable = code.isRetryable
    }

    /// One part of the request is invalid. The message is a predicate: it is read after the path.
    package static func invalid(_ path: String, _ message: String) -> Problem {
        Problem(.invalidField, "\(path) \(message)", errors: [Part(path: path, message: message)])
    }

    /// For a document that was not taken.
    package init(_ error: JSONError) {
        switch error.kind {
        case .malformed:
            self.init(
                .malformedJSON, "\(error.message) (at byte \(error.offset))",
                members: [Member("offset", .integer(Int64(error.offset)))])
        case .invalidField:
            let part = Part(path: error.path, message: error.message)
            self.init(.invalidField, error.description, errors: [part])
        }
    }

    package func write(to json: inout JSONWriter, instance: String? = nil) {
        json.object { json in
            json.member("type", code.type)
            json.member("title", code.title)
            json.member("status", Int64(code.status.code))
            json.member("code", code.rawValue)
            json.member("detail", detail)
            json.member("instance", ifPresent: instance)
            if !errors.isEmpty {
                json.name("errors")
                json.array(of: errors) { json, part in
                    json.object { json in
                        json.member("path", part.path)
                        json.member("message", part.message)
                    }
                }
            }
            json.member("retryable", isRetryable)
            for member in members { member.write(to: &json) }
        }
    }
}

extension Problem.Member {
    fileprivate func write(to json: inout JSONWriter) {
        json.name(name)
        switch value {
        case .text(let text): json.value(text)
        case .integer(let integer): json.value(integer)
        case .boolean(let boolean): json.value(boolean)
        case .time(let microseconds): json.value(microseconds: microseconds)
        }
    }
}

extension Problem: HTTPResponseError {
    package var status: HTTPResponse.Status { code.status }

    package func response(from request: Request, context: some RequestContext) -> Response {
        var json = JSONWriter()
        write(to: &json, instance: request.uri.path)
        var response = Response.json(json, status: status, contentType: "application/problem+json")
        response.headers.append(contentsOf: headers)
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        return response
    }
}

extension Problem {
    /// The answer for a connection on which no request is taken: its last one.
    func plainResponse() -> (head: HTTPResponse, body: ByteBuffer) {
        var json = JSONWriter()
        write(to: &json)
        var body = ByteBuffer()
        json.withBytes { _ = body.writeBytes($0) }
        var head = HTTPResponse(status: status, headerFields: headers)
        head.headerFields[.contentType] = "application/problem+json"
        head.headerFields[.contentLength] = String(body.readableBytes)
        head.headerFields[.connection] = "close"
        if let retryAfter { head.headerFields[.retryAfter] = String(retryAfter) }
        return (head, body)
    }
}
