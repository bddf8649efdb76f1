//! What the machine does while it works: this process's share of the CPU and its memory, temperatures, and an NVIDIA
//! GPU's utilization, memory and temperature. Sampled every two seconds on a thread of its own.
//!
//! The CPU is read from Linux's `/proc` and `/sys`, the GPU from the lines of one `nvidia-smi` that runs as long as the
//! monitor. What is not there is left out, and nothing here ever fails.

use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);
/// Linux counts a process's time in hundredths of a second, whatever the kernel's own clock.
const TICKS_A_SECOND: f64 = 100.0;

/// What was read last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// This process's CPU time, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// This process's resident memory.
    pub memory_mib: Option<f64>,
    /// The processor's temperature.
    pub cpu_celsius: Option<f64>,
    /// The GPU.
    pub gpu: Option<Gpu>,
}

/// An NVIDIA GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gpu {
    /// Share of the time in which it computed.
    pub percent: Option<f64>,
    /// Memory in use, of all processes.
    pub memory_mib: Option<f64>,
    /// Memory in all.
    pub total_mib: Option<f64>,
    /// Its temperature.
    pub celsius: Option<f64>,
}

impl Sample {
    /// The sample in a few words; empty where nothing could be read.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        let mut push = |value: Option<f64>, text: &dyn Fn(f64) -> String| parts.extend(value.map(text));
        push(self.cpu_percent, &|v| format!("CPU {v:.0}%"));
        push(self.cpu_celsius, &|v| format!("{v:.0} °C"));
        push(self.memory_mib, &|v| format!("{v:.0} MiB"));
        if let Some(gpu) = self.gpu {
            push(gpu.percent, &|v| format!("GPU {v:.0}%"));
            push(gpu.celsius, &|v| format!("{v:.0} °C"));
            let total = gpu.total_mib.map(|total| format!(" of {total:.0}")).unwrap_or_default();
            push(gpu.memory_mib, &|v| format!("{v:.0}{total} MiB"));
        }
        parts.join(", ")
    }

    /// The sample as fields of a metrics line.
    pub fn insert_into(&self, line: &mut Map<String, Value>) {
        let gpu = self.gpu.unwrap_or_default();
        for (key, value) in [
            ("cpu_percent", self.cpu_percent),
            ("cpu_celsius", self.cpu_celsius),
            ("memory_mib", self.memory_mib),
            ("gpu_percent", gpu.percent),
            ("gpu_celsius", gpu.celsius),
            ("gpu_memory_mib", gpu.memory_mib),
        ] {
            if let Some(value) = value {
                line.insert(key.to_owned(), json!((value * 10.0).round() / 10.0));
            }
        }
    }
}

/// Samples until it is dropped.
pub struct Monitor {
    latest: Arc<Mutex<Sample>>,
    // Dropping it ends the thread.
    _stop: Sender<()>,
    smi: Option<Child>,
}

impl Monitor {
    /// Starts; `gpu` is the index of the NVIDIA GPU to watch.
    pub fn start(gpu: Option<usize>) -> Self {
        Self::with(gpu, "nvidia-smi", Path::new("/sys/class"))
    }

    fn with(gpu: Option<usize>, program: &str, sensors: &Path) -> Self {
        let latest = Arc::new(Mutex::new(Sample::default()));
        let (stop, stopped) = channel::<()>();
        let smi = gpu.and_then(|index| watch_gpu(program, index, Arc::clone(&latest)));
        let (into, sensors) = (Arc::clone(&latest), sensors.to_owned());
        std::thread::spawn(move || {
            let mut before = cpu_seconds().map(|spent| (Instant::now(), spent));
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let now = cpu_seconds().map(|spent| (Instant::now(), spent));
                let percent = before.zip(now).map(|((t0, s0), (t1, s1))| {
                    100.0 * (s1 - s0) / t1.duration_since(t0).as_secs_f64().max(1e-3)
                });
                before = now;
                let (memory_mib, cpu_celsius) = (memory_mib(), temperature(&sensors));
                let mut sample = into.lock().unwrap_or_else(PoisonError::into_inner);
                *sample = Sample { cpu_percent: percent, memory_mib, cpu_celsius, gpu: sample.gpu };
            }
        });
        Self { latest, _stop: stop, smi }
    }

    /// What was read last; empty in the first two seconds.
    pub fn latest(&self) -> Sample {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        if let Some(smi) = &mut self.smi {
            let _ = smi.kill();
            let _ = smi.wait();
        }
    }
}

/// Starts `nvidia-smi` and a thread that reads its lines.
fn watch_gpu(program: &str, index: usize, into: Arc<Mutex<Sample>>) -> Option<Child> {
    let mut child = Command::new(program)
        .arg("--query-gpu=utilization.gpu,memory.used,memory.total,temperature.gpu")
        .args(["--format=csv,noheader,nounits", "--loop=2", "--id"])
        .arg(index.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let lines = BufReader::new(child.stdout.take()?).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let gpu = gpu_of(&line);
            into.lock().unwrap_or_else(PoisonError::into_inner).gpu = gpu;
        }
        into.lock().unwrap_or_else(PoisonError::into_inner).gpu = None;
    });
    Some(child)
}

/// A line such as `93, 3174, 81559, 61`; what a card does not tell reads `[N/A]`.
fn gpu_of(line: &str) -> Option<Gpu> {
    let values: Vec<Option<f64>> = line.split(',').map(|v| v.trim().parse().ok()).collect();
    let [percent, memory_mib, total_mib, celsius] = values[..] else { return None };
    let gpu = Gpu { percent, memory_mib, total_mib, celsius };
    (gpu != Gpu::default()).then_some(gpu)
}

fn cpu_seconds() -> Option<f64> {
    spent(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time: fields 14 and 15, counted after the name in parentheses, which may hold anything.
fn spent(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_A_SECOND)
}

fn memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<f64>().ok()? / 1024.0)
}

/// The processor's hwmon sensor, else a thermal zone of its name.
fn temperature(class: &Path) -> Option<f64> {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok().map(|t| t.trim().to_owned());
    let within = |folder: &str, name: &str, known: &[&str], value: &str| {
        let mut places: Vec<_> =
            std::fs::read_dir(class.join(folder)).ok()?.filter_map(|e| Some(e.ok()?.path())).collect();
        places.sort();
        places.into_iter().find_map(|place| {
            let kind = read(place.join(name))?;
            known.contains(&kind.as_str()).then(|| read(place.join(value))?.parse::<f64>().ok())?
        })
    };
    let hwmon = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];
    let zones = ["x86_pkg_temp", "cpu-thermal", "cpu_thermal", "acpitz"];
    let millis = within("hwmon", "name", &hwmon, "temp1_input")
        .or_else(|| within("thermal", "type", &zones, "temp"))?;
    Some(millis / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "12 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
        assert_eq!(spent(stat), Some(3.0));
        assert_eq!(spent("nonsense"), None);
    }

    #[test]
    fn a_line_of_nvidia_smi_may_leave_things_out() {
        let gpu = gpu_of("93, 3174, 81559, 61").unwrap();
        assert_eq!((gpu.percent, gpu.memory_mib, gpu.celsius), (Some(93.0), Some(3174.0), Some(61.0)));
        assert_eq!(gpu_of("[N/A], 3174, 81559, 61").unwrap().percent, None);
        assert_eq!(gpu_of("No devices were found"), None);
        let sample = Sample { cpu_percent: Some(187.3), gpu: Some(gpu), ..Sample::default() };
        assert_eq!(sample.words(), "CPU 187%, GPU 93%, 61 °C, 3174 of 81559 MiB");
    }

    #[test]
    fn the_processors_sensor_is_found_among_others() {
        let class = tempfile::tempdir().unwrap();
        assert_eq!(temperature(class.path()), None);
        for (sensor, name, millis) in [("hwmon0", "nvme", "31000"), ("hwmon1", "coretemp", "55000")] {
            let place = class.path().join("hwmon").join(sensor);
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("name"), format!("{name}\n")).unwrap();
            std::fs::write(place.join("temp1_input"), format!("{millis}\n")).unwrap();
        }
        assert_eq!(temperature(class.path()), Some(55.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_gpu_is_read_from_the_lines_of_a_program_that_is_ended_with_the_monitor() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("nvidia-smi");
        std::fs::write(&program, "#!/bin/sh\necho '7, 100, 200, 40'\nexec sleep 600\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let monitor = Monitor::with(Some(0), program.to_str().unwrap(), folder.path());
        let gpu = (0..500).find_map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            monitor.latest().gpu
        });
        assert_eq!(gpu.and_then(|gpu| gpu.percent), Some(7.0));
        // Returns at once: the program is killed, not waited for.
        drop(monitor);
        let nothing = Monitor::with(Some(0), "no-such-program", folder.path());
        assert_eq!(nothing.latest().gpu, None);
        assert!(cpu_seconds().is_some() && memory_mib().is_some_and(|mib| mib > 1.0));
    }
}
