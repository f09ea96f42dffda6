import HTTPSupport
import HTTPTypes
import Hummingbird
import LedgerCore
import Observability
import TextFormats

/// Traces, as Jaeger's query API serves them, and which of them tell of a transaction.
package struct TraceRoutes<Context: RequestContext>: Sendable {
    let archive: any TraceArchive

    package init(archive: any TraceArchive) {
        self.archive = archive
    }

    package func add(to router: APIRouter<Context>) {
        router.get("/api/traces/:id", TraceOperations.trace, use: trace)
        router.get("/v1/transactions/:id/traces", TraceOperations.traces, use: traces)
    }

    /// Jaeger's clients know problems in Jaeger's own shape only.
    private func trace(_ request: Request, _ context: Context) async throws -> Response {
        let text = context.parameters.get("id") ?? ""
        guard let id = TraceID(text) else {
            return jaegerProblem(
                .badRequest, "a trace's id has 1 to 32 hexadecimal digits: \(text.quotedForMessage)"
            )
        }
        let spans = try await answered { () async throws(TraceArchiveFailure) in
            try await archive.trace(id.bytes)
        }
        guard !spans.isEmpty else {
            return jaegerProblem(.notFound, "trace not found: \(id)")
        }
        return .object { json in
            json.name("data")
            json.array(of: [spans]) { json, spans in
                JaegerTrace(id: id.description, spans: spans).write(to: &json)
            }
            json.member("total", 1)
            json.member("limit", 0)
            json.member("offset", 0)
            json.name("errors")
            json.null()
        }
    }

    private func jaegerProblem(_ status: HTTPResponse.Status, _ message: String) -> Response {
        .object(status: status) { json in
            json.name("data")
            json.null()
            json.member("total", 0)
            json.member("limit", 0)
            json.member("offset", 0)
            json.name("errors")
            json.array(of: [message]) { json, message in
                json.object { json in
                    json.member("code", Int64(status.code))
                    json.member("msg", message)
                }
            }
        }
    }

    /// The earliest first; none where the transaction was not traced, or its spans are not here yet.
    private func traces(_ request: Request, _ context: Context) async throws -> Response {
        let id: EventID
        do throws(InvalidValue) { id = try EventID(context.parameters.get("id") ?? "") } catch {
            throw Problem(
                .invalidField, error.description,
                errors: [Problem.Part(path: "id", message: error.description)])
        }
        let found = try await answered { () async throws(TraceArchiveFailure) in
            try await archive.traces(of: id)
        }
        return .object { json in
            json.member("id", id.description)
            json.name("traces")
            json.array(of: found) { json, trace in json.value(trace.hexadecimal) }
        }
    }

    private func answered<Value>(_ body: () async throws(TraceArchiveFailure) -> Value)
        async throws(Problem) -> Value
    {
        do throws(TraceArchiveFailure) { return try await body() } catch {
            switch error {
            case .overloaded:
                throw Problem(.overloaded, "too many questions wait already", retryAfter: 1)
            case .unavailable(let detail): throw Problem(.unavailable, detail)
            }
        }
    }
}

/// A trace's id as Jaeger writes it: hexadecimal digits, zeros in front may be missing.
struct TraceID: CustomStringConvertible {
    let bytes: [UInt8]

    init?(_ text: String) {
        guard (1...32).contains(text.utf8.count), text.allSatisfy(\.isHexDigit),
            text.utf8.allSatisfy({ $0 < 0x80 })
        else { return nil }
        let digits = [Character](repeating: "0", count: 32 - text.count) + Array(text)
        bytes = stride(from: 0, to: 32, by: 2).map { index in
            let high = digits[index].hexDigitValue ?? 0
            let low = digits[index + 1].hexDigitValue ?? 0
            return UInt8(high << 4 | low)
        }
    }

    var description: String { bytes.hexadecimal }
}
