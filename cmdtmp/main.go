package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/selfheal/selfheal/agent"
	"github.com/selfheal/selfheal/agent/config"
	"github.com/selfheal/selfheal/agent/driver"
	_ "github.com/selfheal/selfheal/jobspec"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == driver.SuperviseCommand {
		os.Exit(driver.Supervise(os.Args[2:]))
	}
	src, err := config.ParseFlags(os.Args[2:])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	cfg, warn, err := config.Load(src)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: hclog.LevelFromString(cfg.LogLevel), Output: os.Stderr})
	a, err := agent.New(cfg, agent.Options{Logger: l, Version: "0.1.0-dev", Warnings: warn})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM)
	<-ch
	ctx, c := context.WithTimeout(context.Background(), 10*time.Second)
	defer c()
	a.Shutdown(ctx, agent.Restart)
}
