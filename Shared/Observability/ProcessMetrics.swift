import Glibc

/// What the system says of this process, under the names that Prometheus' own clients use
/// (prometheus.io/docs/instrumenting/writing_clientlibs, "Process metrics").
package struct ProcessMetrics: MetricSource {
    private static let cpu = MetricDefinition(
        "process_cpu_seconds_total", .counter, "User and system time spent, in seconds.")
    private static let openDescriptors = MetricDefinition(
        "process_open_fds", .gauge, "Open file descriptors.")
    private static let descriptorsMax = MetricDefinition(
        "process_max_fds", .gauge, "File descriptors that may be open.")
    private static let resident = MetricDefinition(
        "process_resident_memory_bytes", .gauge, "Memory in use, in bytes.")
    private static let virtual = MetricDefinition(
        "process_virtual_memory_bytes", .gauge, "Address space in use, in bytes.")
    private static let threads = MetricDefinition("process_threads", .gauge, "Threads.")
    private static let started = MetricDefinition(
        "process_start_time_seconds", .gauge, "When the process started, in seconds since 1970.")

    package init() {}

    package static var definitions: [MetricDefinition] {
        [
            cpu, openDescriptors, descriptorsMax, resident, virtual, threads, started,
        ]
    }

    package func samples() -> [MetricSample] {
        var samples: [MetricSample] = []
        if let statistics = ProcessStatistics.read() {
            let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
            samples += [
                MetricSample(Self.cpu, Double(statistics.cpuTicks) / ticks),
                MetricSample(
                    Self.resident, statistics.residentPages * sysconf(Int32(_SC_PAGESIZE))),
                MetricSample(Self.virtual, statistics.virtualBytes),
                MetricSample(Self.threads, statistics.threads),
            ]
            if let boot = ProcessStatistics.bootTime() {
                samples.append(
                    MetricSample(Self.started, Double(boot) + Double(statistics.startTicks) / ticks)
                )
            }
        }
        if let count = ProcessStatistics.openDescriptors() {
            samples.append(MetricSample(Self.openDescriptors, count))
        }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 {
            samples.append(MetricSample(Self.descriptorsMax, UInt64(limit.rlim_cur)))
        }
        return samples
    }
}

/// From the kernel's files (proc(5)).
struct ProcessStatistics {
    let cpuTicks: Int
    let threads: Int
    /// Since the machine was started.
    let startTicks: Int
    let virtualBytes: Int
    let residentPages: Int

    /// - Returns: nil where there is no such file, or it reads otherwise than proc(5) says.
    static func read() -> ProcessStatistics? {
        contents("/proc/self/stat").flatMap(ProcessStatistics.init)
    }

    init?(_ text: String) {
        // The second field is the program's name in brackets, which may hold anything.
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        // The first of these is the third of the manual's.
        func field(_ number: Int) -> Int? {
            fields.indices.contains(number - 3) ? Int(fields[number - 3]) : nil
        }
        guard let user = field(14), let system = field(15), let threads = field(20),
            let start = field(22), let virtual = field(23), let resident = field(24)
        else { return nil }
        cpuTicks = user + system
        self.threads = threads
        startTicks = start
        virtualBytes = virtual
        residentPages = resident
    }

    /// When the machine was started, in seconds since 1970.
    static func bootTime() -> Int? {
        contents("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
            .flatMap { Int($0.dropFirst(6)) }
    }

    static func openDescriptors() -> Int? {
        guard let folder = opendir("/proc/self/fd") else { return nil }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Not `.` and `..`, nor the one that reads here.
        return count - 3
    }

    private static func contents(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &part, part.count)
            guard count > 0 else {
                return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil
            }
            bytes += part[..<count]
        }
    }
}
