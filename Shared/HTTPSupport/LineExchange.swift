import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization

/// What one exchange of lines may hold in memory.
package struct LineLimits: Sendable, Hashable {
    /// A line, in bytes.
    package var lineBytesMax: Int
    /// Lines that are answered together.
    package var linesPerAnswer: Int
    /// Bytes that wait while lines are answered.
    package var backlogBytesMax: Int

    package init(lineBytesMax: Int, linesPerAnswer: Int, backlogBytesMax: Int) {
        self.lineBytesMax = lineBytesMax
        self.linesPerAnswer = linesPerAnswer
        self.backlogBytesMax = backlogBytesMax
    }
}

/// NDJSON in, NDJSON out, on one request: each line is answered by a line, in their order, while the
/// client still sends.
///
/// **Overview.** Whatever has come is answered at once, so that a client may wait for an answer
/// before it sends its next line; while that happens, more gathers, and is answered together. Both
/// directions push back: a client that takes no answers is not read from any more.
///
/// A body that breaks off ends the exchange, and what was not answered by then is not worth an
/// answer any more. The answer then breaks off, too, without its end: nobody takes it for whole.
package enum LineExchange {
    package static let mediaType = "application/x-ndjson"

    /// - Parameter answer: the answers to some lines, each with its newline. It is called again when
    ///   it has returned, and not before.
    /// - Parameter ended: called once when the exchange is over, however it came to its end.
    package static func response(
        to request: Request, _ limits: LineLimits, ended: @escaping @Sendable () -> Void = {},
        answer: @escaping @Sendable ([BodyLine]) async -> ByteBuffer
    ) -> Response {
        let requestBody = request.body
        let ending = Ending(ended)
        let body = ResponseBody { writer in
            defer { ending.come() }
            try await run(requestBody, limits, &writer, answer)
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: mediaType], body: body)
    }

    private static func run(
        _ body: RequestBody, _ limits: LineLimits, _ writer: inout any ResponseBodyWriter,
        _ answer: @Sendable ([BodyLine]) async -> ByteBuffer
    ) async throws {
        let backlog = BodyBacklog(bytesMax: limits.backlogBytesMax)
        async let reading: Void = read(body, into: backlog)
        do {
            try await write(backlog, limits, &writer, answer)
        } catch {
            backlog.close()
            throw error
        }
        await reading
    }

    private static func read(_ body: RequestBody, into backlog: BodyBacklog) async {
        do {
            for try await bytes in body {
                guard await backlog.put(bytes) else { return }
            }
            backlog.end()
        } catch {
            backlog.end(error)
        }
    }

    private static func write(
        _ backlog: BodyBacklog, _ limits: LineLimits, _ writer: inout any ResponseBodyWriter,
        _ answer: @Sendable ([BodyLine]) async -> ByteBuffer
    ) async throws {
        var splitter = LineSplitter(bytesMax: limits.lineBytesMax)
        while let bytes = try await backlog.take() {
            splitter.append(bytes)
            while true {
                let lines = splitter.next(atMost: limits.linesPerAnswer)
                if lines.isEmpty { break }
                try await writer.write(await answer(lines))
            }
        }
        if let last = splitter.last() { try await writer.write(await answer([last])) }
    }
}

/// What is to happen once when an exchange is over: also where its answer is let go of unwritten,
/// because the client had gone before its head could be sent.
private final class Ending: Sendable {
    private let hasCome = Atomic(false)
    private let action: @Sendable () -> Void

    init(_ action: @escaping @Sendable () -> Void) {
        self.action = action
    }

    deinit {
        come()
    }

    func come() {
        if !hasCome.exchange(true, ordering: .relaxed) { action() }
    }
}

extension LineSplitter {
    fileprivate mutating func next(atMost count: Int) -> [BodyLine] {
        var lines: [BodyLine] = []
        while lines.count < count, let line = next() { lines.append(line) }
        return lines
    }
}
