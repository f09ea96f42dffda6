import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Asks a daemon's HTTP API.
struct DaemonAPI: Sendable {
    /// A daemon that does not answer within this is said to be unreachable.
    private static let patience: TimeInterval = 10

    let base: URL

    /// The APIs write names with underscores.
    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    init(_ address: String, option: String) throws {
        guard let url = URL(string: address), let scheme = url.scheme,
            ["http", "https"].contains(scheme),
            url.host != nil
        else {
            throw TraceFailure.usage(
                "\(option) takes an address such as http://127.0.0.1:7420, not \"\(address)\"")
        }
        base = url
    }

    /// - Returns: nil where the daemon says 404.
    func get<Value: Decodable>(_ path: String, as type: Value.Type = Value.self) async throws
        -> Value?
    {
        if case .found(let value) = try await look(path, as: type) { value } else { nil }
    }

    func look<Value: Decodable>(_ path: String, as _: Value.Type = Value.self) async throws
        -> Found<Value>
    {
        let (body, status) = try await answer(path)
        if status == 404 { return .absent(ProblemBody.sentence(of: body)) }
        guard status == 200 else {
            let detail = ProblemBody.sentence(of: body)
            throw TraceFailure.failed("\(base.absoluteString)\(path) answers \(status): \(detail)")
        }
        do {
            return .found(try DaemonAPI.decoder.decode(Value.self, from: body))
        } catch {
            throw TraceFailure.failed(
                "\(base.absoluteString)\(path) does not answer as a Tributary daemon of this version: \(error)"
            )
        }
    }

    /// Sends a decision.
    ///
    /// - Throws: `TraceFailure` with what the daemon says, where it refuses.
    func post<Value: Decodable>(
        _ path: String, _ body: some Encodable, as _: Value.Type = Value.self
    ) async throws -> Value {
        guard let url = URL(string: path, relativeTo: base) else {
            throw TraceFailure.usage("\(path) makes no address below \(base)")
        }
        var request = URLRequest(url: url)
        request.timeoutInterval = DaemonAPI.patience
        request.httpMethod = "POST"
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        request.httpBody = try JSONEncoder().encode(body)
        let (answer, status) = try await send(request)
        let detail = ProblemBody.sentence(of: answer)
        switch status {
        case 200: return try DaemonAPI.decoder.decode(Value.self, from: answer)
        case 400: throw TraceFailure.usage(detail)
        case 404: throw TraceFailure.notFound(detail)
        default: throw TraceFailure.failed("refused: \(detail)")
        }
    }

    /// Whatever the daemon answers, with its status.
    ///
    /// - Throws: `TraceFailure.unreachable` where nothing answers.
    func answer(_ path: String) async throws -> (body: Data, status: Int) {
        guard let url = URL(string: path, relativeTo: base) else {
            throw TraceFailure.usage("\(path) makes no address below \(base)")
        }
        var request = URLRequest(url: url)
        request.timeoutInterval = DaemonAPI.patience
        return try await send(request)
    }

    private func send(_ request: URLRequest) async throws -> (Data, Int) {
        do {
            let (body, response) = try await URLSession.shared.data(for: request)
            guard let http = response as? HTTPURLResponse else {
                throw TraceFailure.failed("\(base.absoluteString) does not speak HTTP")
            }
            return (body, http.statusCode)
        } catch let error as URLError {
            throw TraceFailure.unreachable("cannot reach \(base.absoluteString): \(error.sentence)")
        }
    }
}

/// What a daemon has of something, or in its words that it has nothing.
enum Found<Value> {
    case found(Value)
    case absent(String)
}

// MARK: Which of the daemons

extension DaemonAPI {
    enum Side: String {
        case agent, aggregator

        /// What only this one has.
        fileprivate var path: String { self == .agent ? "/v1/sync" : "/v1/ledger/completeness" }
        fileprivate var other: Side { self == .agent ? .aggregator : .agent }
        fileprivate var withArticle: String { "an \(rawValue)" }
    }

    /// - Parameter takesBoth: whether the command has an option for each of them.
    /// - Throws: `TraceFailure.usage` where another program is asked than was meant.
    func expect(_ side: Side, takesBoth: Bool = false) async throws {
        if try await answer(side.path).status != 404 { return }
        guard try await answer(side.other.path).status != 404 else {
            throw TraceFailure.usage("\(base.absoluteString) is no \(side) of this version")
        }
        let hint =
            takesBoth
            ? "name it with --\(side.other)" : "this command asks \(side.withArticle)"
        throw TraceFailure.usage("\(base.absoluteString) is \(side.other.withArticle): \(hint)")
    }
}

/// What a daemon says of a refusal.
struct ProblemBody: Decodable {
    private var title: String?
    private var detail: String?

    static func sentence(of body: Data) -> String {
        let problem = try? JSONDecoder().decode(ProblemBody.self, from: body)
        return problem?.detail ?? problem?.title ?? "no details"
    }
}

extension URLError {
    var sentence: String {
        switch code {
        case .cannotConnectToHost: "nothing listens there"
        case .timedOut: "no answer in time"
        case .cannotFindHost: "the name is not known"
        default: localizedDescription
        }
    }
}
