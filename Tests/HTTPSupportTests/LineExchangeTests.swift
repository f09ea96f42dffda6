import HTTPSupport
import HTTPTypes
import Hummingbird
import NIOCore
import Synchronization
import Testing

@Suite struct LineExchangeTests {
    private static let limits = LineLimits(
        lineBytesMax: 16, linesPerAnswer: 3, backlogBytesMax: 64)

    // MARK: Cutting

    private func lines(_ parts: [String], bytesMax: Int = 16) -> [String] {
        var splitter = LineSplitter(bytesMax: bytesMax)
        var lines: [String] = []
        for part in parts {
            splitter.append(ByteBuffer(string: part))
            while let line = splitter.next() { lines.append(text(line)) }
        }
        if let last = splitter.last() { lines.append(text(last)) }
        return lines
    }

    private func text(_ line: BodyLine) -> String {
        switch line.content {
        case .text(let text): "\(line.number):\(String(buffer: text))"
        case .tooLong: "\(line.number):too long"
        }
    }

    @Test func `lines end with a newline or with the body, and blank ones only count`() {
        #expect(lines(["a\nb\n"]) == ["1:a", "2:b"])
        #expect(lines(["a\n\n \t\r\nb"]) == ["1:a", "4:b"])
        #expect(lines(["a\r\n", "b", "c\n"]) == ["1:a\r", "2:bc"])
        #expect(lines([""]) == [])
        #expect(lines(["\n\n"]) == [])
    }

    @Test func `a line of just the limit is taken, and the one behind a longer one, too`() {
        let full = String(repeating: "x", count: 16)
        #expect(lines(["\(full)\nb"]) == ["1:\(full)", "2:b"])
        #expect(lines(["\(full)x\nb"]) == ["1:too long", "2:b"])
        #expect(lines(["a\n\(full)x"]) == ["1:a", "2:too long"])
        #expect(lines([full, full, full, "\nb\n"]) == ["1:too long", "2:b"])
    }

    @Test(arguments: 0..<300 as Range<UInt64>)
    func `however the body comes in parts, the lines are the same`(seed: UInt64) {
        var random = Random(state: seed)
        let alphabet = Array("ab \n\n{}")
        let body = (0..<random.below(120)).map { _ in alphabet[random.below(alphabet.count)] }
        let bytesMax = 1 + random.below(9)
        var parts: [String] = []
        var rest = body[...]
        while !rest.isEmpty {
            let part = rest.prefix(1 + random.below(7))
            parts.append(String(part))
            rest = rest.dropFirst(part.count)
        }
        let expected = String(body).split(separator: "\n", omittingEmptySubsequences: false)
            .enumerated().compactMap { index, line -> String? in
                if line.utf8.count > bytesMax { return "\(index + 1):too long" }
                return line.allSatisfy { $0 == " " } ? nil : "\(index + 1):\(line)"
            }
        #expect(lines(parts, bytesMax: bytesMax) == expected, "seed \(seed): \(String(body))")
    }

    // MARK: Exchanging

    private func routes(
        _ calls: CallBox = CallBox(), ended: @escaping @Sendable () -> Void = {}
    ) -> Routes {
        Routes { router in
            router.post("/lines") { request, _ in
                LineExchange.response(to: request, Self.limits, ended: ended) { lines in
                    calls.note(lines.count)
                    let answers = lines.map {
                        "\($0.number) \($0.content == .tooLong ? "-" : "+")\n"
                    }
                    return ByteBuffer(string: answers.joined())
                }
            }
        }
    }

    @Test func `each line is answered by a line, some at a time, in their order`() async throws {
        let calls = CallBox()
        let answer = try await routes(calls).post(
            "/lines", "a\nb\nc\n\nd\n\(String(repeating: "x", count: 17))\ne")
        #expect(answer.status == 200)
        #expect(answer.headers[.contentType] == "application/x-ndjson")
        #expect(answer.body == "1 +\n2 +\n3 +\n5 +\n6 -\n7 +\n")
        #expect(calls.counts == [3, 2, 1])
    }

    @Test func `nothing in, nothing out`() async throws {
        let answer = try await routes().post("/lines", "")
        #expect(answer.status == 200 && answer.body == "")
    }

    @Test func `a body that breaks off breaks off its answer, and half a line is no line`()
        async throws
    {
        struct Broken: Error {}
        let calls = CallBox()
        let routes = routes(calls)
        let (body, source) = RequestBody.makeStream()
        await source.yield(ByteBuffer(string: "{}"))
        source.finish(Broken())
        await #expect(throws: Broken.self) {
            try await routes.ask(.post, "/lines", body: body)
        }
        #expect(calls.counts == [])
    }

    @Test func `an exchange says once that it is over: at its end, broken off, or never begun`()
        async throws
    {
        struct Broken: Error {}
        let ends = Mutex(0)
        let routes = routes(ended: { ends.withLock { $0 += 1 } })
        _ = try await routes.post("/lines", "a\nb\n")
        #expect(ends.withLock { $0 } == 1)
        let (body, source) = RequestBody.makeStream()
        source.finish(Broken())
        await #expect(throws: Broken.self) {
            try await routes.ask(.post, "/lines", body: body)
        }
        #expect(ends.withLock { $0 } == 2)
        // The client had gone before its answer's head could be sent: nobody writes the body.
        let request = Request(
            head: HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/lines"),
            body: RequestBody(buffer: ByteBuffer()))
        _ = LineExchange.response(
            to: request, Self.limits, ended: { ends.withLock { $0 += 1 } },
            answer: { _ in ByteBuffer() })
        #expect(ends.withLock { $0 } == 3)
    }

    @Test func `a client that takes no answers is not read from without bound`() async throws {
        let (body, source) = RequestBody.makeStream()
        let taken = Mutex(0)
        let gate = AsyncStream<Void>.makeStream()
        let routes = Routes { router in
            router.post("/lines") { request, _ in
                LineExchange.response(to: request, Self.limits) { lines in
                    // The first answer is not taken until the gate opens.
                    for await _ in gate.stream {}
                    return ByteBuffer(string: String(repeating: "+\n", count: lines.count))
                }
            }
        }
        let feeding = Task {
            for _ in 0..<1000 {
                await source.yield(ByteBuffer(string: "0123456\n"))
                taken.withLock { $0 += 1 }
            }
            source.finish()
        }
        let answering = Task { try await routes.ask(.post, "/lines", body: body) }
        // It stands still when the backlog and the buffers of the body are full.
        var before = -1
        while taken.withLock({ $0 }) != before {
            before = taken.withLock { $0 }
            try await Task.sleep(for: .milliseconds(100))
        }
        #expect(before < 40, "\(before) lines were read while nothing was taken")
        gate.continuation.finish()
        let answer = try await answering.value
        await feeding.value
        #expect(answer.body == String(repeating: "+\n", count: 1000))
    }
}

/// How many lines were handed over at a time.
private final class CallBox: Sendable {
    private let stored = Mutex<[Int]>([])

    var counts: [Int] { stored.withLock { $0 } }

    func note(_ count: Int) { stored.withLock { $0.append(count) } }
}

private struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
