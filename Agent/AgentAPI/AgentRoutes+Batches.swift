import AgentCore
import HTTPSupport
import Hummingbird
import LedgerCore
import SyncProtocol
import TextFormats

/// `POST /v1/transactions/batch`: one document or a stream of lines; each item for itself, or all or
/// none.
extension AgentRoutes {
    func recordBatch(_ request: Request, _ context: Context) async throws -> Response {
        try await RequestTrace.of(request, "POST /v1/transactions/batch", tracer) { trace in
            try await recordBatch(request, trace)
        }
    }

    private func recordBatch(_ request: Request, _ trace: RequestTrace) async throws
        -> RequestTrace.Answered
    {
        let type = try ContentType.check(
            request, among: [JSONBody.mediaType, LineExchange.mediaType])
        let key = try IdempotencyKeyHeader.key(of: request)
        if type == LineExchange.mediaType { return .stream(try recordLines(request, key, trace)) }
        let limit = limits.batchTransactionsMax
        let buffer = try await JSONBody.collect(
            request, bytesMax: Self.bodyBytesMax,
            limit: "JSON; \(LineExchange.mediaType) has none in all")
        let batch = try JSONBody.decode(buffer) { (json) throws(JSONError) in
            try ReceivedBatch(json: &json, countMax: limit)
        }
        if batch.isAtomic { return .whole(try await record(batch.group(key), trace)) }
        try batch.requireSeparateItems(key, countMax: limit)
        return .whole(try await record(batch.items, trace))
    }

    private func record(
        _ items: [Result<ReceivedTransaction, JSONError>], _ trace: RequestTrace
    ) async throws -> Response {
        let creation = trace.creation()
        let requests = items.compactMap { item in
            if case .success(let received) = item {
                ClientRequest(form: received.form, key: received.key, trace: creation.context)
            } else {
                nil
            }
        }
        let recorded = try await settled { () async throws(ServiceFailure) in
            try await service.record(requests)
        }
        creation.ended(recorded)
        var answers = recorded[...]
        return .object { json in
            json.name("results")
            json.array(of: items) { json, item in
                switch item {
                case .failure(let error): Problem(error).writeResult(to: &json)
                case .success:
                    guard let answer = answers.popFirst() else {
                        preconditionFailure("an item without its answer")
                    }
                    answer.writeResult(to: &json)
                }
            }
        }
    }

    // MARK: All or none

    private func record(_ group: ClientGroup, _ trace: RequestTrace) async throws -> Response {
        let creation = trace.creation()
        var group = group
        for index in group.requests.indices { group.requests[index].trace = creation.context }
        let traced = group
        let answer = try await settled { () async throws(ServiceFailure) in
            try await service.record(traced)
        }
        switch answer {
        case .accepted(let transactions):
            let answers = transactions.map { Answer.accepted($0) }
            creation.ended(answers)
            return results(answers)
        case .replayed(let transactions):
            let answers = transactions.map { Answer.replayed($0) }
            creation.ended(answers)
            var response = results(answers)
            if let name = IdempotencyKeyHeader.replayed { response.headers[name] = "true" }
            return response
        case .mismatched(let first): throw Answer.mismatchedProblem(first)
        case .invalid(let fields):
            throw Problem.refusedGroup(
                fields.map { Problem.Part(path: $0.path, message: $0.message) })
        case .tooManyTransactions:
            throw Problem.tooMany("atomic batch", countMax: SegmentHeader.groupEventsMax)
        case .tooManyBytes:
            throw Problem.tooLarge(
                "what the atomic batch would take in the log",
                bytesMax: SegmentHeader.groupBytesMax, limit: "one atomic batch")
        }
    }

    private func results(_ answers: [Answer]) -> Response {
        .object { json in
            json.name("results")
            json.array(of: answers) { json, answer in answer.writeResult(to: &json) }
        }
    }

    // MARK: Lines

    private func recordLines(
        _ request: Request, _ key: String?, _ trace: RequestTrace
    ) throws(Problem) -> Response {
        guard key == nil else {
            throw .invalid(
                "Idempotency-Key", "is not for lines; give each line its own idempotency_key")
        }
        let limits = LineLimits(
            lineBytesMax: limits.lineBytesMax, linesPerAnswer: limits.linesPerCommit,
            backlogBytesMax: limits.lineBacklogBytesMax)
        return LineExchange.response(
            to: request, limits, ended: { trace.streamEnded() },
            answer: { [self] lines in await answers(to: lines, trace) })
    }

    /// Records what some lines ask for, and answers when it is durable.
    ///
    /// Each part that is recorded together has a span of its own below the request's, which ends with
    /// the exchange.
    private func answers(to lines: [BodyLine], _ trace: RequestTrace) async -> ByteBuffer {
        let creation = trace.creation()
        var requests: [ClientRequest] = []
        requests.reserveCapacity(lines.count)
        let readings = lines.map { line -> Problem? in
            do throws(Problem) {
                requests.append(try received(line, creation))
                return nil
            } catch {
                return error
            }
        }
        let recorded: Result<[Answer], Problem>
        do throws(Problem) {
            let requests = requests
            let answers = try await settled { () async throws(ServiceFailure) in
                requests.isEmpty ? [] : try await service.record(requests)
            }
            creation.ended(answers)
            recorded = .success(answers)
        } catch {
            recorded = .failure(error)
        }
        return write(lines, readings, recorded)
    }

    private func received(
        _ line: BodyLine, _ creation: RequestTrace.Creation
    ) throws(Problem) -> ClientRequest {
        guard case .text(let text) = line.content else {
            throw .tooLarge("the line", bytesMax: limits.lineBytesMax, limit: "a line")
        }
        let received = try JSONBody.decode(text) { (json) throws(JSONError) in
            try ReceivedTransaction(json: &json)
        }
        return ClientRequest(form: received.form, key: received.key, trace: creation.context)
    }

    /// A result a line. What could not be recorded now is each line's problem: the lines behind it
    /// may fare better.
    private func write(
        _ lines: [BodyLine], _ readings: [Problem?], _ recorded: Result<[Answer], Problem>
    ) -> ByteBuffer {
        var json = JSONWriter(capacity: lines.count * 512)
        var next = 0
        for (line, problem) in zip(lines, readings) {
            switch (problem, recorded) {
            case (let problem?, _), (nil, .failure(let problem)):
                problem.atLine(line.number).writeResult(to: &json, line: line.number)
            case (nil, .success(let answers)):
                answers[next].writeResult(to: &json, line: line.number)
                next += 1
            }
            json.newline()
        }
        return json.buffer()
    }
}

extension Problem {
    /// The same, said of a line.
    func atLine(_ number: Int) -> Problem {
        var problem = self
        problem.detail = "line \(number): \(detail)"
        return problem
    }
}
